"""Line charts in SVG, small and the same for the same figures."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

import attrs

WIDTH, HEIGHT = 640, 400
"""Of a chart, in pixels."""

LEFT, RIGHT, TOP, BOTTOM = 64, 16, 56, 48
"""What is left free around the lines, in pixels: for the titles and the numbers."""

LEGEND_PIXELS = 150
"""Width of one entry of the legend."""

COLOURS = ("#1f5fbf", "#c4511d", "#3d7d3a", "#7a4b9e")
"""One a server, in their order; dark enough for a white page."""

STYLE = "font-family:sans-serif;font-size:12px;fill:#333"


@attrs.frozen
class Line:
    """One line of a chart."""

    name: str
    points: Sequence[tuple[float, float]]
    colour: str
    dashed: bool = False


@attrs.frozen
class Axis:
    """Numbers along one side."""

    title: str
    low: float
    high: float
    logarithmic: bool

    @classmethod
    def over(cls, title: str, values: Sequence[float], *, logarithmic: bool) -> Axis:
        """Make one that has room for values: from 0, or from the decade's step below the least, to the step above the most."""
        top, bottom = max(values), min(values)
        if not logarithmic:
            step = 10 ** math.floor(math.log10(top)) / 2
            return cls(title, 0.0, math.ceil(top / step) * step, logarithmic=False)
        return cls(title, _step(bottom, down=True), _step(top, down=False), logarithmic=True)

    def share(self, value: float) -> float:
        """Return where a value is: 0 at the low end, 1 at the high."""
        if self.logarithmic:
            return math.log(value / self.low) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)

    @property
    def ticks(self) -> list[float]:
        """Values to mark: 1, 2 and 5 of each decade, or fifths."""
        if not self.logarithmic:
            return [self.low + (self.high - self.low) * part / 5 for part in range(6)]
        decades = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
        marks = [factor * 10.0**decade for decade in decades for factor in (1, 2, 5)]
        inside = [mark for mark in marks if self.low <= mark * (1 + 1e-9) and mark <= self.high * (1 + 1e-9)]
        return inside if len(inside) <= 8 else [mark for mark in inside if f"{mark:e}".startswith("1.0")]


def _step(value: float, *, down: bool) -> float:
    """Return the next of 1, 2 and 5 in any decade, at or beyond a value."""
    decade = 10.0 ** math.floor(math.log10(value))
    steps = [decade * factor for factor in (1, 2, 5, 10)]
    if down:
        return max(step for step in steps if step <= value * (1 + 1e-9))
    return min(step for step in steps if step >= value * (1 - 1e-9))


def chart(title: str, x_axis: Axis, y_axis: Axis, lines: Sequence[Line]) -> str:
    """Return a chart as an SVG document."""
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" role="img" style="{STYLE}">',
        f"<title>{escape(title)}</title>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
        _text(LEFT, 20, title, anchor="start", more='font-weight="bold"'),
    ]
    right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM
    for tick in y_axis.ticks:
        y = _y(y_axis, tick)
        parts.append(f'<path d="M{LEFT} {y:.1f}H{right}" stroke="#ddd"/>')
        parts.append(_text(LEFT - 6, y + 4, _number(tick), anchor="end"))
    for tick in x_axis.ticks:
        x = _x(x_axis, tick)
        parts.append(f'<path d="M{x:.1f} {bottom}v5" stroke="#333"/>')
        parts.append(_text(x, bottom + 18, _number(tick)))
    parts.append(f'<path d="M{LEFT} {bottom}H{right}" stroke="#333"/>')
    parts.append(_text((LEFT + right) / 2, HEIGHT - 10, x_axis.title))
    middle = (TOP + bottom) / 2
    parts.append(_text(14, middle, y_axis.title, more=f'transform="rotate(-90 14 {middle:.1f})"'))
    for at, line in enumerate(lines):
        parts += _line(line, x_axis, y_axis, at)
    return "\n".join([*parts, "</svg>", ""])


def _line(line: Line, x_axis: Axis, y_axis: Axis, at: int) -> list[str]:
    places = [(_x(x_axis, x), _y(y_axis, y)) for x, y in line.points]
    pen = f'stroke="{line.colour}" stroke-width="2" fill="none"' + (' stroke-dasharray="5 4"' if line.dashed else "")
    path = "L".join(f"{x:.1f} {y:.1f}" for x, y in places)
    x = LEFT + at % 4 * LEGEND_PIXELS
    y = 36 + at // 4 * 14
    return [
        f'<path d="M{path}" {pen}/>',
        *(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{line.colour}"/>' for x, y in places),
        f'<path d="M{x} {y}h20" {pen}/>',
        _text(x + 26, y + 4, line.name, anchor="start"),
    ]


def _x(axis: Axis, value: float) -> float:
    return LEFT + axis.share(value) * (WIDTH - LEFT - RIGHT)


def _y(axis: Axis, value: float) -> float:
    return HEIGHT - BOTTOM - axis.share(value) * (HEIGHT - TOP - BOTTOM)


def _text(x: float, y: float, words: str, *, anchor: str = "middle", more: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" {more}>{escape(words)}</text>'.replace(" >", ">")


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 or value == int(value) else f"{value:.3g}"
