"""Adapter of the rule `fit_element`: the same call as `pesforge fit`."""

import sys
import time
from pathlib import Path

from _adapter import run

from pesforge.dataset import LabelKeys
from pesforge.fitting.candidates import FitSettings
from pesforge.fitting.commands import fit_files
from pesforge.io import write_json

QUIET_S = 3.0
"""Shortest time between two lines on the terminal; the log has all of them."""


def work(job):
    element, fit = job.wildcards.element, job.params.fit
    last = -QUIET_S

    def say(text):
        nonlocal last
        if text.startswith("warning") or time.monotonic() - last >= QUIET_S:
            last = time.monotonic()
            print(f"{f'fit {element}':<22} {text}", file=sys.stderr, flush=True)
        else:
            print(text)

    wall, cpu = time.monotonic(), time.process_time()
    table = fit_files(
        Path(job.input.training),
        Path(job.input.test),
        Path(job.output.fit),
        keys=LabelKeys(),
        settings=FitSettings(functions=fit["functions"]),
        say=say,
        model=fit["model"],
    )
    print(table)
    spent = {"cpu_seconds": time.process_time() - cpu, "wall_seconds": time.monotonic() - wall}
    write_json(job.output.cost, spent)
    return f"{element}: {spent['cpu_seconds']:.0f} s of CPU time"


run(snakemake, work)
