# The study, and helper functions shared by all rule files; no rules.
import json
import os
import sys
import threading
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.scheduling.job_scheduler import JobScheduler

from pesforge.dft.engines import ENGINE_MODULES
from pesforge.errors import PesforgeError
from pesforge.io import canonical_json
from pesforge.provenance import fingerprint
from pesforge.reach import code_of, code_of_package
from pesforge.study import LoadedPublished, load_study
from pesforge.study_file import study_path

for variable in (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMBA_NUM_THREADS",
):
    os.environ[variable] = "1"


def study_file():
    """The study file that the user named: --config study=NAME or study=FILE, or one --configfile."""
    given = [Path(file) for file in workflow.configfiles]
    named = config.get("study")
    if len(given) + (named is not None) > 1:
        raise WorkflowError(
            "name one study: either --config study=NAME or a single --configfile FILE"
        )
    if given:
        return given[0]
    return study_path(
        str(named if named is not None else "config"), Path(workflow.basedir) / "config"
    )


def read_study():
    """The checked study; a wrong one ends the parsing with all of its mistakes."""
    try:
        return load_study(study_file(), Path(workflow.basedir) / "config" / "train")
    except PesforgeError as error:
        raise WorkflowError(str(error)) from None


def plain(section):
    """A settings section as a key-sorted dict of builtin types, the only form that Snakemake compares reliably."""
    return json.loads(canonical_json(section.model_dump(mode="json", by_alias=True)))


def reached(script):
    """Digest of all code that a script can reach; of the engines only that of the study."""
    path = Path(workflow.basedir) / "workflow" / "scripts" / f"{script}.py"
    return code_of(path, without=OTHER_ENGINES)


def raised(value):
    """A resource that grows with every attempt, for jobs that ran out of it on a cluster."""
    return lambda wildcards, attempt: value * attempt


# Memory of a job that holds no matrix of descriptors: libraries take 150 to 300 MB, and a cluster starts Snakemake around the job.
SMALL_MB = 1000


def look_again_once(scheduler):
    """Let Snakemake have one timer after which it looks at its jobs again.

    Snakemake 9.27 begins one at every look, and every timer leads to a look, so that their number grows with every job
    that ends: after hundreds of jobs it does little else. The flag falls before the look, which can then begin the next.
    """

    def begin(self, delay):
        def look():
            self.looks_again = False
            self._open_jobs.release()

        if not getattr(self, "looks_again", False):
            self.looks_again = True
            threading.Timer(delay, look).start()

    if hasattr(scheduler, "_schedule_reevalutation"):
        scheduler._schedule_reevalutation = begin


look_again_once(JobScheduler)
LOADED = read_study()
STUDY = LOADED.settings
OUT = f"results/{STUDY.name}"
ENGINE = () if isinstance(LOADED, LoadedPublished) else ENGINE_MODULES[STUDY.dft.engine]
# What runs a reference code is no part of a study with another one, or with none.
OTHER_ENGINES = [
    part
    for parts in ENGINE_MODULES.values()
    for part in parts
    if part.endswith("_engine") and part not in ENGINE
]
