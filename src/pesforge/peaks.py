"""The largest memory of every job, as the system counts it; Snakemake's benchmarks look only every half minute."""

import resource
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from pesforge.errors import DataError, StorageError
from pesforge.io import read_json, write_json

LOGS, PEAKS = "logs", "benchmarks/peaks"
STATUS = Path("/proc/self/status")


def peak_mb() -> float:
    """Largest memory in MB of this process since its program began, or of one that it started, whichever is larger.

    The kernel's `VmHWM` is that of the program alone; `getrusage` would also count what the parent held at the start.
    """
    words = dict(line.split(":", 1) for line in STATUS.read_text().splitlines())
    own = float(words["VmHWM"].split()[0])
    return max(own, float(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)) / 1024


def peak_path(log: Path) -> Path:
    """Where the peak of a job stands that has this log: `logs/NAME.log` becomes `benchmarks/peaks/NAME.json`."""
    parts = log.parts
    place = len(parts) - 1 - parts[::-1].index(LOGS)
    return Path(*parts[:place], PEAKS, ".".join(parts[place + 1 :])).with_suffix(".json")


def record_peak(log: Path, rule: str, asked_mb: float | None) -> None:
    """Write down the largest memory of a job at its end. A full disk leaves it out: it is worth no result.

    A job whose log is in no folder `logs` writes none.

    Args:
        log: log of the job, in a folder `logs`.
        rule: its rule.
        asked_mb: memory that the rule asks for; None where it asks for none.
    """
    if LOGS not in log.parts:
        return
    with suppress(StorageError):
        write_json(peak_path(log), {"rule": rule, "peak_mb": round(peak_mb(), 1), "asked_mb": asked_mb})


def read_peaks(benchmarks: Path) -> Mapping[str, Mapping[str, Any]]:
    """The peaks of all jobs of a study by the names of their logs; one that a killed write has broken is left out."""
    found = {}
    for path in sorted((benchmarks / Path(PEAKS).name).glob("[!.]*.json")):
        with suppress(DataError):
            found[path.stem] = read_json(path)
    return found
