"""Runs LAMMPS in a process of its own, so that an abort of MPI ends that process alone.

As a script it reads jobs (JSON) from its standard input and writes what each gave: lists of commands, then numbers.
"""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import numpy as np

import pesforge

THERMO = ("pe", "etotal", "pxx", "pyy", "pzz", "pyz", "pxz", "pxy")
BAR_IN_EV_PER_ANG3 = 1 / 1.6021765e6
"""The constant of LAMMPS, which is rounded."""


def run_lammps(jobs):
    """Results of jobs (lists of commands): a dictionary of arrays in the order of atom ids, or one with `error`."""
    done = subprocess.run(
        [sys.executable, str(Path(__file__).resolve())],
        input=json.dumps(jobs),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    results = json.loads(done.stdout.splitlines()[-1])
    return [{key: value if key == "error" else np.array(value) for key, value in result.items()} for result in results]


def _gathered(lmp, job):
    lmp.commands_list(job)
    count = lmp.get_natoms()
    ids = np.array(lmp.numpy.extract_atom("id")[:count]) - 1
    order = np.argsort(ids)
    found = {"forces": np.array(lmp.numpy.extract_atom("f")[:count])[order].tolist()}
    found["thermo"] = [lmp.get_thermo(name) for name in THERMO]
    for name, kind in (("energies", 0), ("virials", 0), ("leverage", 1)):
        if lmp.has_id("fix" if kind else "compute", name):
            extract = lmp.numpy.extract_fix if kind else lmp.numpy.extract_compute
            values = extract(name, 1, 2 if name == "virials" else 1)
            found[name] = np.array(values[:count])[order].tolist()
    if lmp.has_id("compute", "sigma"):
        found["sigma"] = float(lmp.numpy.extract_compute("sigma", 0, 1)[0])
    return found


def main():
    # By its file: the packages around it import far more than LAMMPS needs, once for every run.
    file = Path(pesforge.__file__).parent / "export" / "lammps" / "plugin.py"
    spec = importlib.util.spec_from_file_location("plugin", file)
    plugin = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(plugin)
    package = plugin.import_lammps()
    results = []
    for job in json.load(sys.stdin):
        lmp = package.lammps(cmdargs=["-screen", "none", "-log", "none"])
        try:
            results.append(_gathered(lmp, job))
        except Exception as error:
            results.append({"error": str(error)})
        lmp.close()
    print()
    print(json.dumps(results))


if __name__ == "__main__":
    main()
