"""Adapter of the rule `project_invariants`."""

from _adapter import run

from pesforge.io import read_frames, read_json
from pesforge.potentials.linear import LinearProblem
from pesforge.representations.ace import AceBasis
from pesforge.representations.archive import save_arrays
from pesforge.representations.design import Design
from pesforge.representations.principal import principal_projections
from pesforge.representations.projections import project_all


def work(job):
    frames, basis = read_frames(job.input.frames), AceBasis.from_dict(read_json(job.input.basis))
    problem = LinearProblem(Design.load(job.input.design), prior_power=job.params.prior_power)
    scale = problem.scale[: basis.n_functions]
    matrix = principal_projections(frames, basis, scale, job.params.projections)
    project_all(frames, basis, matrix).save(job.output.projections)
    save_arrays(job.output.projector, {"matrix": matrix})
    return f"{matrix.shape[1]} projections of {basis.n_functions} invariants"


run(snakemake, work)
