"""Report: evidence to figures to one page. Nothing is computed here."""

from pesforge.report.page import render

__all__ = ["render"]
