"""Report: evidence to figures to one page. Nothing is computed here."""

from pesforge.report.page import render
from pesforge.report.published import render_published

__all__ = ["render", "render_published"]
