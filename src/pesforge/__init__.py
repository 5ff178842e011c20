"""From a crystal structure and one config file to a machine-learning interatomic potential with its evidence."""

import importlib.metadata
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pesforge.export import load_potential

__all__ = ["__version__", "load_potential"]

__version__ = importlib.metadata.version("pesforge")


def __getattr__(name: str) -> Any:
    """`load_potential`, imported when it is first asked for: the other parts of the package do not need it."""
    if name == "load_potential":
        from pesforge.export import load_potential

        return load_potential
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
