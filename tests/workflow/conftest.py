"""A copy of the repository that a test may edit, and a finished tiny study that tests share."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from filelock import FileLock

REPOSITORY = Path(__file__).parents[2]
PARTS = (
    "Snakefile",
    "LICENSE",
    "Makefile",
    "README.md",
    "pyproject.toml",
    "requirements.lock",
    "config",
    "envs",
    "profiles",
    "src",
    "workflow",
)


@dataclass(frozen=True)
class Clone:
    """A copy of the repository in a folder of its own."""

    root: Path

    @property
    def environment(self) -> dict[str, str]:
        binaries = str(Path(sys.executable).parent)
        return {**os.environ, "PYTHONPATH": str(self.root / "src"), "PATH": f"{binaries}:{os.environ['PATH']}"}

    def start(self, *arguments: str, **options) -> subprocess.Popen:
        """Start Snakemake on the tiny study, in a process group of its own."""
        command = [sys.executable, "-m", "snakemake", "--config", "study=tiny", *arguments]
        options = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, **options}
        return subprocess.Popen(
            command, cwd=self.root, env=self.environment, start_new_session=True, text=True, **options
        )

    def snakemake(self, *arguments: str) -> str:
        """Run Snakemake on the tiny study to its end and return what it printed."""
        process = self.start(*arguments)
        output, _ = process.communicate(timeout=1500)
        assert process.returncode == 0, output[-6000:]
        return output

    def edit(self, path: str, old: str, new: str) -> None:
        """Replace a text that must be there."""
        text = (self.root / path).read_text()
        assert old in text, f"{path} does not contain {old!r}"
        (self.root / path).write_text(text.replace(old, new))


def clone(root: Path) -> Clone:
    """Copy the parts of the repository that a run needs."""
    for part in PARTS:
        source = REPOSITORY / part
        if source.is_dir():
            shutil.copytree(source, root / part, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
        else:
            root.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, root / part)
    return Clone(root)


@pytest.fixture
def make_clone():
    """The function that copies the repository into a folder."""
    return clone


@pytest.fixture(scope="session")
def finished(tmp_path_factory) -> Clone:
    """The tiny study, run once to its report without any disturbance; workers side by side share it."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "finished"
    with FileLock(f"{folder}.lock"):
        made = Clone(folder / "pesforge")
        if not (folder / "done").exists():
            clone(made.root).snakemake()
            (folder / "done").touch()
    return made


@pytest.fixture
def beside(finished, tmp_path) -> Clone:
    """A fresh copy of the repository, with newer files, beside the finished results."""
    made = clone(tmp_path / "pesforge")
    shutil.copytree(finished.root / "results", made.root / "results")
    shutil.copytree(finished.root / ".snakemake", made.root / ".snakemake", ignore=shutil.ignore_patterns("locks"))
    return made
