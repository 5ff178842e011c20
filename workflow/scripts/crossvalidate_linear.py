"""Adapter of the rule `crossvalidate_linear`."""

import pandas as pd
from _adapter import run

from pesforge.io import atomic_path, read_json, write_json
from pesforge.representations.ace import AceBasis
from pesforge.representations.design import Design
from pesforge.settings import Crossvalidate
from pesforge.training.crossvalidate import crossvalidate


def work(job):
    basis = AceBasis.from_dict(read_json(job.input.basis))
    settings = Crossvalidate.model_validate(job.params.crossvalidate)
    evidence = crossvalidate(Design.load(job.input.design), settings, basis.subset_mask)
    with atomic_path(job.output.curve) as temporary:
        pd.DataFrame(evidence["grid"]).to_csv(temporary, index=False)
    write_json(job.output.evidence, evidence)
    error, chosen = evidence["leave_group_out"], evidence["chosen"]
    return (
        f"{chosen['n_functions']} functions, α {chosen['alpha']:g}: {error['energy_rmse_mev_per_atom']:.2f} meV/atom, "
        f"{error['force_rmse_ev_per_ang']:.4f} eV/Å left out"
    )


run(snakemake, work)
