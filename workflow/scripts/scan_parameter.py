"""Adapter of the rule `scan_parameter`."""

import pandas as pd
from _adapter import run
from _reference import calculator_of

from pesforge.dft.convergence import scan_parameter
from pesforge.io import atomic_path, write_json
from pesforge.progress import Progress
from pesforge.settings import Converge, Dft
from pesforge.structure import from_plain


def work(job):
    name = job.wildcards.parameter
    progress = Progress("converge", 0)
    scan = scan_parameter(
        name,
        from_plain(job.params.parent),
        dft=Dft.model_validate(job.params.dft),
        converge=Converge.model_validate(job.params.converge),
        calculate=calculator_of(job),
        other_shapes=job.params.shapes,
        on_progress=lambda value, cell: progress.say(f"{name} {value:g}, {cell} cell"),
    )
    with atomic_path(job.output.curve) as temporary:
        pd.DataFrame(scan.table).to_csv(temporary, index=False)
    write_json(job.output.scan, scan.to_dict())
    return f"{name} {scan.chosen:g} {scan.to_dict()['unit']}"


run(snakemake, work)
