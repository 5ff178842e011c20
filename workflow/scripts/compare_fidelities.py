"""Adapter of the rule `compare_fidelities`."""

from pathlib import Path

from _adapter import run

from pesforge.dft.engines import get_engine
from pesforge.dft.pseudopotentials import settings_from_dict
from pesforge.dft.store import LabelStore
from pesforge.fidelity.compare import compare
from pesforge.fidelity.levels import both_levels, estimated_seconds, measured_seconds
from pesforge.fidelity_settings import Fidelity
from pesforge.io import read_frames, read_json, write_json
from pesforge.representations.ace import AceBasis
from pesforge.representations.design import Design
from pesforge.settings import Crossvalidate, Dft


def work(job):
    settings, params = Fidelity.model_validate(job.params.fidelity), job.params
    model = Crossvalidate.model_validate(params.crossvalidate)
    engine, store = get_engine(Dft.model_validate(params.dft)), LabelStore(Path(params.store), params.store_code)
    basis, stored = AceBasis.from_dict(read_json(job.input.basis)), Design.load(job.input.design)
    reduction = settings.degree_reduction
    mask = basis.subset_mask(max(model.degree_reductions) if reduction is None else reduction)
    pairs = both_levels(stored.columns(mask), read_frames(job.input.frames), read_frames(job.input.low))
    levels = {"high": read_json(job.input.settings), "low": read_json(job.input.low_settings)}
    frames = {"high": pairs.high_frames, "low": pairs.low_frames}
    evidence = compare(
        pairs.high,
        pairs.low,
        measured={level: measured_seconds(frames[level], store) for level in levels},
        estimated={
            level: estimated_seconds(frames[level], engine, settings_from_dict(levels[level]["settings"]))
            for level in levels
        },
        settings=settings,
        model=model,
        seed=params.seed,
    )
    write_json(job.output.evidence, evidence | {"levels": levels, "failed": read_json(job.input.failures)})
    last = [row for row in evidence["verdict"] if row["budget"] == settings.budgets[-1]]
    ratios = ", ".join(f"{row['kind']} {row['ratio']:.2f}" for row in last)
    return f"{evidence['n_structures']} structures at two levels; errors over those of one level: {ratios}"


run(snakemake, work)
