"""Two studies or two potentials side by side, in one page."""

from pesforge.comparison.commands import compare

__all__ = ["compare"]
