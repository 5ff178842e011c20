"""The code opens no pickle, evaluates no text and starts no shell, and rules quote what they would give to one."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
PARTS = ("src", "workflow", "envs", "benchmarks")
MODULES = sorted(path for part in PARTS for path in (REPOSITORY / part).rglob("*.py"))
RULES = [REPOSITORY / "Snakefile", *sorted((REPOSITORY / "workflow" / "rules").glob("*.smk"))]
FORBIDDEN_MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal", "pty"}
FORBIDDEN_CALLS = {
    "eval",
    "exec",
    "compile",
    "__import__",
    "os.system",
    "os.popen",
    "yaml.load",
    "yaml.unsafe_load",
    "yaml.full_load",
    "yaml.load_all",
    "pd.read_pickle",
    "pandas.read_pickle",
    "subprocess.getoutput",
    "subprocess.getstatusoutput",
    "asyncio.create_subprocess_shell",
    "tempfile.mktemp",
}
NUMBERS = ("threads", "resources")
"""What a rule sets as numbers."""
TRUSTED = {"src/pesforge/fitting/foundation.py": ("convert", "trust_pickle")}
"""The one place that may open a pickle: the function, and its argument that the user must have given."""


def dotted(node: ast.expr) -> str:
    """The name that is called, as it is written."""
    parts = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return ".".join(reversed([*parts, node.id])) if isinstance(node, ast.Name) else ""


def offences(text: str) -> Iterator[tuple[int, str]]:
    """Line and words of what a text of Python does that it must not do."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else [name.name for name in node.names]
            for name in names:
                if name.split(".")[0] in FORBIDDEN_MODULES:
                    yield node.lineno, f"imports {name}"
        if not isinstance(node, ast.Call):
            continue
        name, given = dotted(node.func), {word.arg: word.value for word in node.keywords}
        if name in FORBIDDEN_CALLS or name.startswith(("os.exec", "os.spawn")):
            yield node.lineno, f"calls {name}"
        if name == "torch.load" and not holds(given.get("weights_only"), True):
            yield node.lineno, "torch.load without weights_only=True"
        if "allow_pickle" in given and not holds(given["allow_pickle"], False):
            yield node.lineno, f"{name} with allow_pickle"
        if name.endswith(".load_from_checkpoint") and not holds(given.get("weights_only"), True):
            yield node.lineno, f"{name} without weights_only=True"
        if "shell" in given and not holds(given["shell"], False):
            yield node.lineno, f"{name} with a shell"


def holds(node: ast.expr | None, value: bool) -> bool:
    """Whether an argument is this constant."""
    return isinstance(node, ast.Constant) and node.value is value


@pytest.mark.parametrize(
    "text",
    [
        "import pickle",
        "from pickle import loads",
        "import torch\ntorch.load(p)",
        "torch.load(p, weights_only=False)",
        "torch.load(p, weights_only=flag)",
        "np.load(p, allow_pickle=True)",
        "eval('1')",
        "exec(text)",
        "yaml.load(stream, Loader=yaml.Loader)",
        "os.system('ls')",
        "subprocess.run('ls', shell=True)",
        "os.execvp('sh', [])",
    ],
)
def test_the_scan_finds_what_is_planted(text):
    assert list(offences(text))


@pytest.mark.parametrize("text", ["network.eval()", "re.compile('a')", "np.load(p, allow_pickle=False)"])
def test_the_scan_lets_harmless_code_pass(text):
    assert not list(offences(text))


def test_no_module_opens_a_pickle_evaluates_text_or_starts_a_shell():
    assert len(MODULES) > 250
    found = [
        (path.relative_to(REPOSITORY).as_posix(), line, words)
        for path in MODULES
        for line, words in offences(path.read_text())
    ]
    trusted = [where for where in found if where[0] in TRUSTED]
    assert [where for where in found if where not in trusted] == []
    assert len(trusted) == len(TRUSTED), "one place alone"


@pytest.mark.parametrize("path", TRUSTED)
def test_the_one_pickle_is_opened_behind_the_consent_of_the_user(path):
    """The function begins with a refusal of what is not trusted; the pickle is opened after that."""
    name, consent = TRUSTED[path]
    module = ast.parse((REPOSITORY / path).read_text())
    (function,) = [node for node in module.body if isinstance(node, ast.FunctionDef) and node.name == name]
    (guard,) = [node for node in function.body if isinstance(node, ast.If)][:1]
    assert ast.unparse(guard.test) == f"not {consent}"
    assert isinstance(guard.body[-1], ast.Raise)
    (line,) = [line for line, _ in offences((REPOSITORY / path).read_text())]
    assert function.lineno < guard.lineno < line < (function.end_lineno or 0)


def unquoted(text: str) -> list[str]:
    """Wildcards, inputs, outputs and params that the shell of a rule would read as its own words."""
    blocks = re.findall(r'^\s*shell:\s*((?:\s*[rf]*"""[\s\S]*?"""|\s*[rf]*"[^"\n]*")+)', text, flags=re.MULTILINE)
    fields = [field for block in blocks for field in re.findall(r"(?<!\{)\{([^{}]+)\}(?!\})", block)]
    return [field for field in fields if not field.endswith(":q") and field.split(".")[0] not in NUMBERS]


def test_the_scan_of_rules_finds_what_is_planted():
    assert unquoted('rule a:\n    shell:\n        "cat {input} > {output:q}; echo {wildcards.run}"\n') == [
        "input",
        "wildcards.run",
    ]
    assert unquoted('rule a:\n    shell: "cp {input:q} {output:q} # {threads}"\n') == []


@pytest.mark.parametrize("path", RULES, ids=lambda path: path.name)
def test_rules_quote_what_they_give_to_a_shell(path):
    assert unquoted(path.read_text()) == []
    assert not re.search(r"^\s*run:", path.read_text(), flags=re.MULTILINE), "adapters are scripts"
