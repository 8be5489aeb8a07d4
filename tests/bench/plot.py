"""Draws lines over a logarithmic axis as an SVG of its own, a small picture for each. No library, no I/O."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT, LEFT, TOP, BOTTOM, RIGHT = 340, 240, 56, 34, 46, 16
TEXT = 'font-family="sans-serif" font-size="11" fill="#555"'
STROKE = "#3b6fb6"


@dataclass(frozen=True, slots=True)
class Line:
    """One picture: a value for each size; sizes are above 0."""

    title: str
    sizes: Sequence[int]
    values: Sequence[float]


def draw(lines: Sequence[Line], *, x: str, y: str) -> str:
    """Return an SVG with the lines side by side, each from 0 to its own highest value."""
    width = WIDTH * len(lines)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {HEIGHT}" width="{width}" height="{HEIGHT}">',
        f'<rect width="{width}" height="{HEIGHT}" fill="#fff"/>',
    ]
    for place, line in enumerate(lines):
        parts += [f'<g transform="translate({place * WIDTH},0)">', *_picture(line, x, y), "</g>"]
    return "\n".join([*parts, "</svg>", ""])


def _picture(line: Line, x: str, y: str) -> list[str]:
    right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM
    top = _nice(max(line.values))
    span = math.log10(max(line.sizes)) - math.log10(min(line.sizes)) or 1.0

    def across(size: int) -> float:
        return LEFT + (math.log10(size) - math.log10(min(line.sizes))) / span * (right - LEFT)

    def up(value: float) -> float:
        return bottom - value / top * (bottom - TOP)

    parts = [f'<text x="{LEFT}" y="18" font-weight="bold" {TEXT}>{escape(line.title)}</text>']
    for step in range(5):
        value = top * step / 4
        parts.append(f'<path d="M{LEFT} {up(value):.1f}H{right}" stroke="#ddd"/>')
        parts.append(
            f'<text x="{LEFT - 6}" y="{up(value) + 4:.1f}" text-anchor="end" {TEXT}>{value:g}</text>'
        )
    for size in line.sizes:
        parts.append(
            f'<text x="{across(size):.1f}" y="{bottom + 16}" text-anchor="middle" {TEXT}>{size}</text>'
        )
    points = [(across(size), up(value)) for size, value in zip(line.sizes, line.values, strict=True)]
    path = " ".join(f"{left:.1f},{height:.1f}" for left, height in points)
    parts.append(f'<polyline points="{path}" fill="none" stroke="{STROKE}" stroke-width="2"/>')
    parts += [f'<circle cx="{left:.1f}" cy="{height:.1f}" r="3" fill="{STROKE}"/>' for left, height in points]
    parts.append(
        f'<text x="{(LEFT + right) / 2}" y="{HEIGHT - 8}" text-anchor="middle" {TEXT}>{escape(x)}</text>'
    )
    middle = (TOP + bottom) / 2
    parts.append(
        f'<text transform="translate(12,{middle}) rotate(-90)" text-anchor="middle" {TEXT}>{escape(y)}</text>'
    )
    return parts


def _nice(value: float) -> float:
    """Return the next round number above *value*."""
    step: float = 10 ** math.floor(math.log10(value)) if value > 0 else 1.0
    return next(factor * step for factor in (1, 2, 4, 5, 8, 10, 20) if factor * step >= value)
