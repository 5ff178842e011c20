"""The folder in which broken inputs are tried."""

from pathlib import Path

import pytest
from hostile_desk import REPOSITORY, Desk


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Desk:
    """An empty desk; relative paths of an input, and what a shell would write, end up in it."""
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "train").symlink_to(REPOSITORY / "config" / "train")
    monkeypatch.chdir(tmp_path)
    return Desk(tmp_path, capsys)
