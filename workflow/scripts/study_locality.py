"""Adapter of the rule `study_locality`."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from _adapter import run

from pesforge.analysis_settings import Locality
from pesforge.export import load_potential
from pesforge.io import atomic_path, read_frames, read_json, write_json
from pesforge.potentials.linear import predict
from pesforge.representations.ace import AceBasis
from pesforge.representations.design import describe
from pesforge.settings import Crossvalidate
from pesforge.structure import from_plain
from pesforge.training.crossvalidate import emphasis_of
from pesforge.training.locality import Described, errors_by_cutoff
from pesforge.validation.phonon import displacements, force_constants
from pesforge.validation.response import response_by_distance


def work(job):
    settings = Locality.model_validate(job.params.locality)
    basis, frames = AceBasis.from_dict(read_json(job.input.basis)), read_frames(job.input.frames)
    measured = read_json(job.input.response)
    crystal = from_plain(job.params.parent).repeat(measured["supercell"])
    moved = displacements(crystal, job.params.displacement)
    dft = np.array(measured["force_constants_ev_per_ang2"])

    def response(forces):
        return response_by_distance(
            crystal,
            dft,
            force_constants(crystal, moved, forces),
            cutoff_ang=basis.cutoff_ang,
            temperature_k=settings.temperature_k,
        )

    def described(cutoff):
        found = replace(basis, cutoff_ang=cutoff)
        rows = describe(moved, found)

        def missed(fit):
            forces = predict(rows, fit).forces.reshape(len(moved), -1, 3)
            return response(forces)["beyond"][0]["difference_ev_per_ang"]

        return Described(cutoff, describe(frames, found), found.subset_mask, missed)

    by_cutoff = errors_by_cutoff(
        map(described, sorted({*settings.cutoffs_ang, basis.cutoff_ang})),
        Crossvalidate.model_validate(job.params.crossvalidate),
        emphasis_of(read_json(job.input.crossvalidation)),
        basis.cutoff_ang,
    )
    calculator = load_potential(Path(job.input.model).parent)
    own = response([calculator.get_forces(frame) for frame in moved])
    own |= {key: measured[key] for key in ("supercell", "disagreement_ev_per_ang2")}
    with atomic_path(job.output.table) as temporary:
        table = [{key: value for key, value in row.items() if key != "by_family"} for row in by_cutoff["rows"]]
        pd.DataFrame(table).to_csv(temporary, index=False)
    write_json(job.output.evidence, {"errors": by_cutoff, "response": own})
    return by_cutoff["sentence"]


run(snakemake, work)
