"""What every rule of the workflow states: log, benchmark, memory and environment, under the same name."""

import ast
import re
import threading
from pathlib import Path

import pytest
from snakemake.scheduling.job_scheduler import JobScheduler

from pesforge.representations.ace import AceBasis
from pesforge.representations.functions import list_functions

WORKFLOW = Path(__file__).parents[2] / "workflow"
DFT_ENVIRONMENT, PIPELINE = "dft.yaml", "pipeline.yaml"


def rules():
    """Name and text of every rule of the rule files."""
    for path in sorted((WORKFLOW / "rules").glob("*.smk")):
        for text in re.split(r"(?m)^(?= *rule \w+:$)", path.read_text())[1:]:
            yield re.search(r"rule (\w+):", text).group(1), text


RULES = dict(rules())


def named(text, key):
    """The name of the file that a rule writes under a key, without its folder and its ending; / and . are the same."""
    found = re.search(rf'\b{key}:\n\s+f"\{{OUT\}}/(?:logs|benchmarks/\w+)/(.*)\.(?:log|tsv)"', text)
    return found and found.group(1).replace("/", ".")


@pytest.mark.parametrize("name", RULES)
def test_every_rule_states_its_log_benchmark_and_memory(name):
    text = RULES[name]
    assert named(text, "log") == named(text, "benchmark") is not None, "one name, so that the peaks find their jobs"
    assert named(text, "log").split(".")[0] == name
    (memory,) = re.findall(r"mem_mb=(\w+(?:\([\w]+\))?),", text)
    stated = re.fullmatch(r"raised\((\d+)\)|(\d+)|raised\(SMALL_MB\)|with_design\(\d\)", memory)
    assert stated, memory
    megabytes = next((int(number) for number in stated.groups() if number), 1000)
    assert megabytes >= 1000, "libraries and, on a cluster, two more processes of Snakemake"


def test_no_script_is_without_a_rule():
    scripts = {path.stem for path in (WORKFLOW / "scripts").glob("[!_]*.py")}
    assert scripts == {re.search(r"scripts/(\w+)\.py", text).group(1) for text in RULES.values()}


@pytest.mark.parametrize("name", RULES)
def test_every_rule_runs_again_when_code_changes_that_its_script_can_reach(name):
    (script,) = re.findall(r"scripts/(\w+)\.py", RULES[name])
    assert f'code=reached("{script}"),' in RULES[name]


@pytest.mark.parametrize("species", [("Si",), ("C", "Si")])
def test_the_estimate_of_memory_counts_the_functions_of_the_basis(species):
    size = {"max_degree": (6, 5, 4), "l_max": (0, 3, 2), "l_weight": 1.0}
    listed = list_functions(**size, channel_degrees=(0.0,) * len(species))
    assert len(species) * len(listed) == AceBasis(species=species, cutoff_ang=5.0, **size).n_functions


def of_common(name):
    """A function of the rule files, which are no modules."""
    tree = ast.parse((WORKFLOW / "rules/common.smk").read_text())
    (found,) = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == name]
    space = {"threading": threading}
    exec(compile(ast.Module([found], []), "common.smk", "exec"), space)
    return space[name]


def test_snakemake_looks_at_its_jobs_by_one_timer_which_can_be_begun_again():
    class Scheduler:
        def __init__(self):
            self._open_jobs = threading.Semaphore(0)

        _schedule_reevalutation = None

    of_common("look_again_once")(Scheduler)
    scheduler = Scheduler()
    for _ in range(2):
        for _ in range(30):
            scheduler._schedule_reevalutation(0.05)
        assert scheduler._open_jobs.acquire(timeout=5), "the timer looks"
        assert not scheduler._open_jobs.acquire(timeout=0.2), "one timer alone"


def test_the_scheduler_of_snakemake_has_the_timer():
    assert callable(JobScheduler._schedule_reevalutation), "gone in this Snakemake: look_again_once can go too"
