"""The manifest of an archive: what was changed or lost since is named, and one that leads elsewhere is refused."""

import pytest

from pesforge.archive.contents import MANIFEST, damaged, files_of, labels_of, stores_of
from pesforge.errors import DataError
from pesforge.io import sha256_of

EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
"""SHA-256 of nothing (FIPS 180-4)."""


def test_changed_and_lost_files_are_named(tmp_path):
    for name in ("one", "two", "three"):
        (tmp_path / name).write_bytes(b"")
    assert sha256_of(tmp_path / "one") == EMPTY
    (tmp_path / MANIFEST).write_text("".join(f"{EMPTY}  {name}\n" for name in ("one", "two", "three")))
    assert damaged(tmp_path) == []
    (tmp_path / "two").write_bytes(b"x")
    (tmp_path / "three").unlink()
    assert damaged(tmp_path) == ["two", "three"]
    assert damaged(tmp_path / "elsewhere") == []


@pytest.mark.parametrize("line", [f"{EMPTY}  ../outside", f"{EMPTY}  /etc/hostname", "short  name", EMPTY])
def test_a_manifest_that_is_none_or_leads_elsewhere_is_refused(tmp_path, line):
    (tmp_path / MANIFEST).write_text(line + "\n")
    with pytest.raises(DataError, match="line 1 is not a digest"):
        damaged(tmp_path)


def test_labels_of_every_store_are_found_and_journals_are_none(tmp_path):
    for name in ("store/ab/x.json", "drive/store/cd/y.json", "store/journals/z.json", "store/locks"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("{}")
    stores = stores_of(tmp_path)
    assert [store.relative_to(tmp_path).as_posix() for store in stores] == ["drive/store", "store"]
    assert [path.name for store in stores for path in labels_of(store)] == ["y.json", "x.json"]


def test_a_part_that_is_missing_is_named_and_caches_are_left_out(tmp_path):
    (tmp_path / "src/__pycache__").mkdir(parents=True)
    (tmp_path / "src/__pycache__/a.pyc").write_text("")
    (tmp_path / "src/a.py").write_text("")
    assert [path.as_posix() for path in files_of(tmp_path, ("src",))] == ["src/a.py"]
    with pytest.raises(DataError, match="Snakefile is missing"):
        list(files_of(tmp_path, ("Snakefile",)))
