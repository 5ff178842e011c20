"""Files of labels, and one fit of them."""

from pathlib import Path

import pytest
from labelled_files import command, write

from pesforge.cli import main


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("labels")
    return {
        "train": write(folder / "train.extxyz", "copper", range(24)),
        "test": write(folder / "test.extxyz", "copper", range(100, 106)),
        "other": write(folder / "other.extxyz", "copper", range(200, 203)),
        "alloy": write(folder / "alloy.extxyz", "alloy", range(30)),
    }


@pytest.fixture(scope="session")
def fitted(files: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("fit") / "copper"
    assert main(command(files["train"], files["test"], out)) == 0
    return out
