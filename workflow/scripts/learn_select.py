"""Adapter of the rule `learn_select`."""

from dataclasses import asdict

import numpy as np
from _adapter import run
from _learn import basis_of, believed
from _reference import settings_of

from pesforge.acquisition.select import Rule
from pesforge.dft.engines import get_engine
from pesforge.dft.prices import label_seconds
from pesforge.io import read_frames, write_frames, write_json
from pesforge.learning.choose import Choice, choose, of_ids
from pesforge.provenance import derive_seed
from pesforge.representations.design import describe
from pesforge.settings import Crossvalidate, Dft


def seconds_of(job, pool):
    """Seconds that the reference method is expected to take for each candidate."""
    engine, settings = get_engine(Dft.model_validate(job.params.dft)), settings_of(job)
    return np.array([label_seconds(atoms, settings, engine) for atoms in pool])


def work(job):
    params, number = job.params, int(job.wildcards.round)
    pool, choice = read_frames(job.input.pool), Choice((), ((),) * params.controls)
    if pool:
        known, _ = believed(job.input.labels, params.model["curate"])
        choice = choose(
            describe([*known, *pool], basis_of(params.model)),
            len(known),
            Rule(params.acquisition, diverse=params.diverse, per_cost=params.cost == "seconds"),
            params.per_round,
            Crossvalidate.model_validate(params.model["crossvalidate"]),
            controls=params.controls,
            seed=derive_seed(params.seed, "learn", number),
            seconds=seconds_of(job, pool),
        )
    write_frames(job.output.picks, of_ids(pool, [pick.id for pick in choice.picks]))
    write_frames(job.output.beside, of_ids(pool, choice.beside))
    write_json(job.output.choice, {"candidates": len(pool), **asdict(choice)})
    return f"round {number}: {len(choice.picks)} of {len(pool)} candidates, {len(choice.beside)} beside them at random"


run(snakemake, work)
