"""Adapter of the rule `fit_draft`."""

import sys
from pathlib import Path

from _adapter import run

from pesforge.curation.filters import filter_labels
from pesforge.export import save_model
from pesforge.fitting.draft import fit_draft
from pesforge.io import read_frames, write_json
from pesforge.settings import Curate


def work(job):
    labels = [frame for path in job.input.labels for frame in read_frames(path)]
    kept, decisions = filter_labels(labels, Curate.model_validate(job.params.curate))
    result, evidence = fit_draft(kept, job.params.functions, lambda text: print(text, file=sys.stdout))
    save_model(Path(job.output.model).parent, result.potential, result.metadata)
    write_json(job.output.evidence, {**evidence, "dropped": [decision.to_dict() for decision in decisions]})
    return (
        f"{evidence['functions']} functions on {len(kept)} labels, left out {evidence['energy_mae_mev_per_atom']:.1f} "
        f"meV/atom (MAE), {evidence['force_rmse_ev_per_ang']:.3f} eV/Å"
    )


run(snakemake, work)
