"""The environments of conda and of a container are those of the lock file; none of them is built here."""

import ast
import importlib.util
import re
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
import yaml

from pesforge.cost import DFT_RULES, MOVING_RULE

ROOT = Path(__file__).parents[2]
ENVS, SCRIPTS, SOURCE = ROOT / "envs", ROOT / "workflow/scripts", ROOT / "src"
STARTED_ELSEWHERE = {"mace", "e3nn"}
"""Extras that no rule of a study needs."""


@pytest.fixture(scope="module")
def generator():
    spec = importlib.util.spec_from_file_location("environments", ENVS / "environments.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def pinned(name):
    """Version of every package that an environment file pins."""
    _python, _pip, packages = yaml.safe_load((ENVS / name).read_text())["dependencies"]
    return dict(line.split("==") for line in packages["pip"])


def test_the_files_are_those_of_the_lock_file(generator):
    for name, text in generator.texts().items():
        assert (ENVS / name).read_text() == text, "run envs/environments.py"
    lock = dict(re.findall(r"(?m)^([\w.-]+)==(\S+)", (ROOT / "requirements.lock").read_text()))
    for name in ("dft.yaml", "pipeline.yaml"):
        assert pinned(name).items() <= lock.items()
    assert pinned("dft.yaml").items() < pinned("pipeline.yaml").items()


def test_all_that_a_package_needs_is_pinned_too(generator):
    found = generator.pins(["hydra-core"])
    assert {line.split("==")[0] for line in found} >= {"hydra-core", "omegaconf", "antlr4-python3-runtime", "pyyaml"}


def test_every_rule_names_the_environment_of_its_kind():
    named = {}
    for path in (ROOT / "workflow/rules").glob("*.smk"):
        for text in re.split(r"(?m)^(?= *rule \w+:$)", path.read_text())[1:]:
            (environment,) = re.findall(r'"../../envs/(\w+\.yaml)"', text)
            named[re.search(r"rule (\w+):", text).group(1)] = environment
    assert set(named.values()) == {"dft.yaml", "pipeline.yaml"}
    assert {rule for rule, environment in named.items() if environment == "dft.yaml"} == {*DFT_RULES, MOVING_RULE}


def imported(path, seen):
    """Packages that a script imports, by way of pesforge's own modules too."""
    if path in seen or not path.is_file():
        return
    seen.add(path)
    for node in ast.walk(ast.parse(path.read_text())):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom):
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        for name in names:
            own = SOURCE.joinpath(*name.split("."))
            if name.startswith("pesforge"):
                yield from imported(own.with_suffix(".py"), seen)
            elif name.startswith("_"):
                yield from imported(SCRIPTS / f"{name}.py", seen)
            else:
                yield name.split(".")[0]


@pytest.mark.parametrize("environment", ["dft.yaml", "pipeline.yaml"])
def test_what_the_scripts_of_a_kind_import_is_in_their_environment(environment):
    packages, pins, missing = packages_distributions(), pinned(environment), set()
    for path in (ROOT / "workflow/rules").glob("*.smk"):
        for text in re.split(r"(?m)^(?= *rule \w+:$)", path.read_text())[1:]:
            if environment in text:
                script = SCRIPTS / re.search(r"scripts/(\w+\.py)", text).group(1)
                wanted = {name for name in imported(script, set()) if name in packages}
                missing |= {name for name in wanted if not {d.lower() for d in packages[name]} & pins.keys()}
    assert missing <= STARTED_ELSEWHERE


def test_the_container_copies_what_is_there_and_has_the_python_of_the_project():
    lines = [line for line in (ENVS / "Containerfile").read_text().splitlines() if line and not line.startswith("#")]
    copied = [name for line in lines if line.startswith("COPY") for name in line.split()[1:-1]]
    assert all((ROOT / name).exists() for name in copied)
    needed = {"requirements.lock", "pyproject.toml", "Makefile", "envs", "src", "Snakefile", "workflow", "config"}
    assert needed | {"profiles", "README.md"} <= set(copied)
    (image,) = [line.split()[1] for line in lines if line.startswith("FROM")]
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"]
    version = re.match(r">=(\d+\.\d+)", wanted).group(1)
    assert image == f"python:{version}-slim"
    before = lines.index("RUN make install")
    assert all("COPY " + name not in "\n".join(lines[before:]) for name in ("src", "envs", "requirements.lock"))
