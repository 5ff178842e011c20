"""Structure → numbers: the atomic cluster expansion, its design rows and its projections.

Numba keys its cache on one file at a time. The compiled kernels therefore stand in a folder that is named by the code
of the whole subpackage, so that a change in one file can never meet an old kernel of another.
"""

from pathlib import Path

from numba import config

from pesforge.provenance import source_digest

parent = getattr(config, "CACHE_DIR", "") or Path(__file__).parent / "__pycache__"
config.CACHE_DIR = str(Path(parent) / source_digest("representations"))  # type: ignore[attr-defined]
