"""Adapter of the rule `describe_structures`."""

from pathlib import Path

import numpy as np
from _adapter import run

from pesforge.io import read_frames, write_json
from pesforge.representations.ace import AceBasis
from pesforge.representations.design import describe
from pesforge.settings import Describe


def work(job):
    frames = read_frames(job.input.frames)
    settings = Describe.model_validate(job.params.describe)
    basis = AceBasis(
        species=tuple(sorted(set(job.params.parent["symbols"]))),
        cutoff_ang=settings.cutoff_ang,
        max_degree=settings.max_degree,
        l_max=settings.l_max,
        l_weight=settings.l_weight,
    )
    design = describe(frames, basis, folder=Path(job.output.design).parent)
    design.save(job.output.design)
    write_json(job.output.basis, basis.to_dict())
    orders, counts = np.unique(basis.order, return_counts=True)
    write_json(
        job.output.evidence,
        {
            "n_functions": basis.n_functions,
            "cutoff_ang": settings.cutoff_ang,
            "max_degree": settings.max_degree,
            "l_max": settings.l_max,
            "by_order": dict(zip(orders.tolist(), counts.tolist(), strict=True)),
            "n_structures": len(frames),
            "n_environments": int(design.n_atoms.sum()),
        },
    )
    return f"{len(frames)} structures, {basis.n_functions} functions"


run(snakemake, work)
