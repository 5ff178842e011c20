"""The digest of what a script can reach: changes with every line that it can come to, and with no other."""

import json
from modulefinder import ModuleFinder
from pathlib import Path

import pytest

from pesforge import reach
from pesforge.provenance import PACKAGE_ROOT

SCRIPTS = Path(__file__).parents[2] / "workflow" / "scripts"
FILES = {
    "scripts/job.py": "from _shared import run\nfrom package.room.work import work\nrun(work)\n",
    "scripts/_shared.py": "def run(work):\n    from package import late\n    work(late)\n",
    "scripts/other.py": "import package.room.alone\n",
    "package/__init__.py": "",
    "package/late.py": "from package.seen import y\n",
    "package/seen/__init__.py": "y = 1\n",
    "package/errors.py": "from package.room import alone\n",
    "package/room/__init__.py": "y = 2\n",
    "package/room/work.py": "import package.room.deep\nfrom package.errors import Wrong\n",
    "package/room/deep.py": '"""Text."""\nz = 3\n',
    "package/room/alone.py": "a = 4\n",
}
REACHED = {"job.py", "_shared.py", "late.py", "seen/__init__.py", "room/work.py", "room/deep.py"}


@pytest.fixture
def place(tmp_path):
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


def code(place, name="job", **options):
    reach._sources.cache_clear()
    return reach.code_of(place / "scripts" / f"{name}.py", root=place / "package", **options)


@pytest.mark.parametrize("name", [name for name in FILES if name != "scripts/other.py"])
def test_the_code_changes_with_each_file_that_is_reached_and_with_no_other(place, name):
    before = code(place)
    (place / name).write_text(FILES[name] + "more = 1\n")
    assert (code(place) != before) == (name.partition("/")[2] in REACHED)


def test_a_new_text_changes_nothing_and_a_module_left_out_is_not_followed(place):
    before = code(place)
    (place / "package/room/deep.py").write_text('"""Other text."""\nz  =  3  # a remark\n')
    assert code(place) == before
    without = code(place, without=["room/deep"])
    (place / "package/room/deep.py").write_text("z = 5\n")
    assert code(place, without=["room/deep"]) == without != code(place)


def test_all_code_of_a_package_counts_in_the_code_of_the_package(place):
    def whole():
        reach._sources.cache_clear()
        return reach.code_of_package(place / "package")

    before = whole()
    (place / "package/room/alone.py").write_text("a = 5\n")
    assert whole() != before


def test_what_is_kept_of_the_files_is_used_again_and_may_be_torn_or_impossible(place, monkeypatch):
    before, cache = code(place), place / "package" / reach.CACHE
    assert len(json.loads(cache.read_text())) == len(REACHED)
    with monkeypatch.context() as patch:
        patch.setattr(reach, "_facts", lambda _source: pytest.fail("read again"))
        assert code(place) == before
    cache.write_text('{"torn')
    assert code(place) == before
    cache.unlink()
    cache.parent.rmdir()
    cache.parent.write_text("no folder")
    assert code(place) == before


@pytest.mark.parametrize("name", ["run_dynamics", "validate_potential"])
def test_imports_are_followed_as_the_standard_library_follows_them(name, monkeypatch):
    monkeypatch.setattr(reach, "PASSED", ())
    finder = ModuleFinder(path=[str(PACKAGE_ROOT.parent), str(SCRIPTS)])
    finder.run_script(str(SCRIPTS / f"{name}.py"))
    files = (Path(module.__file__) for module in finder.modules.values() if module.__file__)
    reached = reach.reached_by(SCRIPTS / f"{name}.py")
    # Rooms that are only on the way are entered by Python too; what they offer is reached by these scripts anyway.
    assert {path for path in reached if path.name != "__init__.py"} == {
        path for path in files if path.name != "__init__.py"
    }
