"""Whether processes live."""

import time
from pathlib import Path


def alive(pid: int) -> bool:
    """Whether a process runs; one that waits to be collected does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


def gone(pid: int) -> bool:
    """Whether a process ends within 5 s."""
    for _ in range(100):
        if not alive(pid):
            return True
        time.sleep(0.05)
    return False
