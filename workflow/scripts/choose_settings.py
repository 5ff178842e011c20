"""Adapter of the rule `choose_settings`."""

from _adapter import run

from pesforge.dft.convergence import combine
from pesforge.dft.scan import Scan
from pesforge.io import read_json, write_json
from pesforge.settings import Dft


def work(job):
    scans = {scan.parameter: scan for scan in (Scan.from_dict(read_json(path)) for path in job.input.scans)}
    settings = combine(scans, Dft.model_validate(job.params.dft))
    write_json(job.output.settings, {"settings": settings.to_dict(), "hash": settings.hash})
    return (
        f"cutoff {settings.cutoff_ev:g} eV, k-spacing {settings.k_spacing_per_ang:g} 1/Å, "
        f"SCF {settings.scf_tolerance:g}, smearing {settings.smearing_ev:g} eV"
    )


run(snakemake, work)
