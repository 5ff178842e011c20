"""Adapter of the rule `sample_driven`."""

from pathlib import Path

from _adapter import run

from pesforge.dft.calculator import EngineCalculator, coarse_settings
from pesforge.dft.engines import get_engine
from pesforge.dft.labelling import Journal
from pesforge.dft.store import LabelStore
from pesforge.driven_settings import Driver
from pesforge.fitting.draft import draft_driver
from pesforge.io import read_frames, read_json, write_frames, write_json
from pesforge.sampling.drive import Drive, Guard
from pesforge.sampling.driven import DRIVEN
from pesforge.settings import Converge, Curate, Dft
from pesforge.structure import from_plain


def drive_of(job):
    """The draft potential or coarse DFT, with the guard of the study."""
    params, driver, curate = (
        job.params,
        Driver.model_validate(job.params.driver),
        Curate.model_validate(job.params.curate),
    )
    believed = curate.min_distance_factor, curate.max_force_ev_per_ang
    others = read_frames(job.input.pool), read_json(job.input.stiffness)["stiffness_ev_per_ang2"]
    if driver.kind == "dft":
        dft = Dft.model_validate(params.dft)
        engine, settings = get_engine(dft), coarse_settings(dft, driver, Converge.model_validate(params.converge))
        store, patience = LabelStore(Path(params.store), params.store_code), (dft.max_attempts, dft.timeout_s)
        tell = Journal(store.journals / f"{Path(job.log[0]).stem}.jsonl").append
        return Drive(lambda: EngineCalculator(engine, settings, store, *patience, tell), Guard(*believed), *others)
    model, evidence = job.input.draft
    calculator, leverage = draft_driver(Path(model).parent)
    most = driver.leverage_factor * read_json(evidence)["max_training_leverage"]
    return Drive(calculator, Guard(*believed, leverage, most), *others)


def work(job):
    settings, sample = DRIVEN[job.wildcards.family]
    parent = from_plain(job.params.parent)
    made = sample(parent, settings.model_validate(job.params.settings), drive_of(job), job.params.seed)
    write_frames(job.output.frames, made.frames)
    write_json(job.output.runs, made.runs)
    stopped = sum(row["stopped"] is not None for row in made.runs)
    return f"{len(made.frames)} {job.wildcards.family} structures, {stopped} of {len(made.runs)} runs stopped"


run(snakemake, work)
