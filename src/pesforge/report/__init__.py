"""Report: evidence to figures to one page. Nothing is computed here."""

from pesforge.report.card import model_card
from pesforge.report.page import render
from pesforge.report.published import render_published

__all__ = ["model_card", "render", "render_published"]
