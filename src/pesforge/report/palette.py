"""Colours of the page in its two schemes: one table for the style sheet, for saved figures, and for the tests."""

LIGHT = {
    "paper": "#ffffff",
    "raised": "#f5f6f7",
    "ink": "#16191d",
    "muted": "#565d66",
    "line": "#d3d7dc",
    "blue": "#0072b2",
    "orange": "#c07d00",
    "green": "#00845f",
    "vermillion": "#c94f00",
    "purple": "#b3619a",
    "sky": "#2e93c7",
    "good": "#00694b",
    "near": "#7a5200",
    "bad": "#a83a00",
    "good-paper": "#e3f4ee",
    "bad-paper": "#fdebe0",
}
DARK = {
    "paper": "#14171b",
    "raised": "#1d2127",
    "ink": "#e8eaed",
    "muted": "#a5adb8",
    "line": "#3a414a",
    "blue": "#58b4ee",
    "orange": "#f0b43c",
    "green": "#2cc79c",
    "vermillion": "#ff8a47",
    "purple": "#dd9cc5",
    "sky": "#8fd0f5",
    "good": "#54d6ae",
    "near": "#f0b43c",
    "bad": "#ff9b66",
    "good-paper": "#11322a",
    "bad-paper": "#3a2114",
}
PRINT = {
    **LIGHT,
    "raised": "#f2f2f2",
    "ink": "#000000",
    "muted": "#444444",
    "line": "#bbbbbb",
    "good-paper": "#ffffff",
    "bad-paper": "#ffffff",
}


def luminance(color: str) -> float:
    """Relative luminance of `#rrggbb` between 0 and 1 (WCAG 2.2)."""
    parts = [int(color[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    red, green, blue = (value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(first: str, second: str) -> float:
    """Contrast ratio of two colours, from 1 to 21 (WCAG 2.2)."""
    low, high = sorted((luminance(first), luminance(second)))
    return (high + 0.05) / (low + 0.05)
