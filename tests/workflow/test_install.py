"""A machine that lacks something is told so in one line."""

import shutil
import subprocess
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("present", "expected"),
    [((), "needs Python 3.11"), (("python3.11",), "needs a C++ compiler")],
    ids=["no Python", "no compiler"],
)
def test_what_is_missing_is_said_in_one_line(tmp_path, present, expected):
    shell = shutil.which("sh")
    assert shell
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in present:
        (tools / name).write_text(f"#!{shell}\nexit 0\n")
        (tools / name).chmod(0o755)
    ended = subprocess.run(
        [shell, str(REPOSITORY / "envs" / "install.sh")],
        cwd=tmp_path, env={"PATH": str(tools)}, text=True, capture_output=True, timeout=60,
    )  # fmt: skip
    assert ended.returncode == 1
    assert expected in ended.stderr
    assert len(ended.stderr.splitlines()) == 1
    assert not (tmp_path / ".venv").exists()
