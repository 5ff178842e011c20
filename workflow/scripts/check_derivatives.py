"""Adapter of the rule `check_derivatives`."""

from _adapter import run
from _reference import calculator_of, settings_of

from pesforge.dft.consistency import check_cells, label_checks, label_rows, pulay_stress_gpa
from pesforge.dft.convergence import convergence_evidence
from pesforge.dft.scan import Scan
from pesforge.io import read_json, write_json
from pesforge.settings import Converge, Tolerances
from pesforge.structure import from_plain


def work(job):
    parent, settings, calculate = from_plain(job.params.parent), settings_of(job), calculator_of(job)
    converge = Converge.model_validate(job.params.converge)
    rows = label_rows(check_cells(parent, converge), lambda atoms: calculate(atoms, settings))
    checks = label_checks(rows, Tolerances.model_validate(job.params.tolerances))
    scans = {scan.parameter: scan for scan in (Scan.from_dict(read_json(path)) for path in job.input.scans)}
    evidence = convergence_evidence(settings, scans, converge.targets)
    evidence |= {"label_checks": [check.to_dict() for check in checks], "label_slopes": rows}
    write_json(job.output.evidence, evidence | {"pulay_stress_gpa": pulay_stress_gpa(rows)})
    return "; ".join(f"{check.name}: {check.deviation:.2g} {check.unit}" for check in checks)


run(snakemake, work)
