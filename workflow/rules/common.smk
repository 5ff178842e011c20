# Helper functions shared by the rule files; no rules.
import json
import math
import os
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

from pesforge.errors import PesforgeError
from pesforge.io import canonical_json
from pesforge.provenance import fingerprint
from pesforge.structure import from_plain
from pesforge.study import load_study, study_path

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


def batches(study):
    """Names of the label batches; their number follows from the settings alone."""
    total = sum(study.sample.families.values())
    return [
        f"{index:04d}" for index in range(math.ceil(total / study.label.batch_size))
    ]


def scanned_parameters(study):
    """Numerical parameters that the stage `converge` scans."""
    names = ["cutoff_ev", "k_spacing_per_ang", "scf_tolerance"]
    return names + (["smearing_ev"] if study.converge.smearing_ev else [])


def opening(study):
    """One line at the start: what will be computed."""
    families = ", ".join(
        f"{count} {family}" for family, count in study.sample.families.items()
    )
    return f"study {study.name}: {families} structures; {len(RUNS) * study.train.sweep.seeds} training runs"


LOADED = read_study()
STUDY = LOADED.settings
PARENT = LOADED.parent
RUNS = LOADED.runs
SEEDS = [str(seed) for seed in range(STUDY.train.sweep.seeds)]
OUT = f"results/{STUDY.name}"
STORE = f"{OUT}/store"
DFT_CODE = fingerprint("dft/gpaw_engine", "dft/settings")
CALCULATION = (
    "dft/engines",
    "dft/failures",
    "dft/gpaw_engine",
    "dft/label",
    "dft/settings",
    "dft/store",
)
EVIDENCE = [
    f"{OUT}/evidence/{stage}.json"
    for stage in (
        "converge",
        "sample",
        "label",
        "curate",
        "describe",
        "crossvalidate",
        "train",
        "choose",
        "validate",
        "provenance",
        "cost",
    )
]

# How much there is to do is told to the jobs for their progress lines. A parameter would rerun finished jobs when it grows.
os.environ.update(
    PESFORGE_LABELS=str(sum(STUDY.sample.families.values())),
    PESFORGE_RUNS=str(len(RUNS) * len(SEEDS)),
)
