import pytest

from pesforge.provenance import derive_seed, digest, fingerprint, versions

CODE = '''"""Module."""


def double(x):
    """Twice x."""
    return 2 * x  # a remark
'''


@pytest.fixture
def package(tmp_path):
    (tmp_path / "part").mkdir()
    (tmp_path / "part" / "module.py").write_text(CODE)
    (tmp_path / "other.py").write_text("x = 1\n")
    return tmp_path


def refreshed(*parts, root):
    fingerprint.cache_clear()
    return fingerprint(*parts, root=root)


def test_comments_docstrings_and_layout_change_no_fingerprint(package):
    before = refreshed("part", root=package)
    (package / "part" / "module.py").write_text(
        CODE.replace("# a remark", "# another").replace("Twice x.", "2x").replace("2 * x", "(2 *  x)")
    )
    assert refreshed("part", root=package) == before


def test_changed_code_changes_the_fingerprint_of_its_part_alone(package):
    part, other = refreshed("part", root=package), refreshed("other", root=package)
    (package / "part" / "module.py").write_text(CODE.replace("2 * x", "3 * x"))
    assert refreshed("part", root=package) != part
    assert refreshed("other", root=package) == other


def test_a_part_without_code_is_an_error(package):
    with pytest.raises(FileNotFoundError, match="nothing"):
        refreshed("nothing", root=package)


def test_seeds_depend_on_study_and_name_and_are_fixed():
    assert derive_seed(1, "thermal") == derive_seed(1, "thermal") == int(digest([1, "thermal"], 8), 16)
    assert len({derive_seed(1, "thermal"), derive_seed(2, "thermal"), derive_seed(1, "strain")}) == 3


def test_versions_name_the_packages_that_decide_the_numbers():
    assert {"torch", "gpaw", "ase", "snakemake"} <= set(versions())
