"""A study twice from nothing, in two clean copies of what is committed: what they find must have the same bytes.

    python benchmarks/repeat.py --study tiny --cores 2 1

Nothing is shared: no labels, no compiled code, no cache. The second run has other cores, so that its jobs come in
another order. Times are left out, and what Lightning trains is compared within its tolerance. The exit status is not 0
where anything differs.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from pesforge.archive.repeat import compare_runs, text

REPOSITORY = Path(__file__).resolve().parents[1]
RUN = "from pesforge.launch import run; import sys; raise SystemExit(run(sys.argv[1], sys.argv[2:]))"


def clean_copy(revision: str, target: Path) -> None:
    """What is committed, in a new folder."""
    target.mkdir()
    packed = subprocess.run(["git", "archive", revision], cwd=REPOSITORY, check=True, stdout=subprocess.PIPE).stdout
    subprocess.run(["tar", "--extract", "--file", "-"], cwd=target, input=packed, check=True)


def run(place: Path, study: str, cores: int) -> Path:
    """Results of a study that was run in a copy.

    Raises:
        CalledProcessError: the run did not come to its end.
    """
    cache = place / ".numba"
    subprocess.run(
        [sys.executable, "-c", RUN, study, "--cores", str(cores)],
        cwd=place,
        env={**os.environ, "PYTHONPATH": str(place / "src"), "NUMBA_CACHE_DIR": str(cache)},
        check=True,
    )
    return place / "results" / study


def main() -> int:
    """Exit status: 0 where both runs agree."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--study", default="tiny", help="name below config/ (%(default)s)")
    parser.add_argument("--cores", type=int, nargs=2, default=[2, 1], help="of the two runs (%(default)s)")
    parser.add_argument("--revision", default="HEAD", help="what is run (%(default)s)")
    parser.add_argument("--folder", type=Path, help="new folder that keeps both runs (a temporary one)")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="pesforge-repeat-") as made:
        folder = chosen.folder or Path(made)
        folder.mkdir(parents=True, exist_ok=True)
        results = []
        for name, cores in zip(("first", "second"), chosen.cores, strict=True):
            clean_copy(chosen.revision, folder / name)
            results.append(run((folder / name).resolve(), chosen.study, cores))
        found = compare_runs(*results)
    sys.stdout.write(text(found) + "\n")
    return int(any(one.differences for one in found))


if __name__ == "__main__":
    sys.exit(main())
