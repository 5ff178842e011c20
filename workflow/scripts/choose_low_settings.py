"""Adapter of the rule `choose_low_settings`."""

from _adapter import run
from _reference import settings_of

from pesforge.fidelity.levels import low_settings
from pesforge.fidelity_settings import LowLevel
from pesforge.io import write_json
from pesforge.structure import from_plain


def work(job):
    high, parent = settings_of(job), from_plain(job.params.parent)
    low = low_settings(high, LowLevel.model_validate(job.params.low), parent)
    write_json(job.output.settings, {"settings": low.to_dict(), "hash": low.hash})
    meshes = ["×".join(map(str, level.mesh(parent.cell.array))) for level in (low, high)]
    return (
        f"cutoff {low.cutoff_ev:g} eV beside {high.cutoff_ev:g} eV, {meshes[0]} k-points beside {meshes[1]} on the "
        "parent crystal"
    )


run(snakemake, work)
