"""What every rule of the workflow states: log, benchmark, memory and environment, under the same name."""

import re
from pathlib import Path

import pytest

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


@pytest.mark.parametrize("species", [("Si",), ("C", "Si")])
def test_the_estimate_of_memory_counts_the_functions_of_the_basis(species):
    size = {"max_degree": (6, 5, 4), "l_max": (0, 3, 2), "l_weight": 1.0}
    listed = list_functions(**size, channel_degrees=(0.0,) * len(species))
    assert len(species) * len(listed) == AceBasis(species=species, cutoff_ang=5.0, **size).n_functions
