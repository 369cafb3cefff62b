"""Charts as files: quality against cost, NHG set by set, and calibration.

Does not know policies or terminals. Names stand beside the curves in their colours, which are
those of Okabe and Ito that colour-blind people tell apart. The same values give the same bytes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tierchat.learning.evaluation.chart import Curve
from tierchat.learning.evaluation.comparison import Calibration
from tierchat.learning.evaluation.frontiers import Interval
from tierchat.learning.evaluation.report import PolicyLine

_BLUE, _ORANGE, _GREEN, _RED, _PURPLE = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7"
_INK, _GREY, _PALE = "#333333", "#8a8a8a", "#c9c9c9"
_RIVAL_COLOURS = (_ORANGE, _GREEN, _RED, _PURPLE)
_MARKS = "os^Dv"
# The page is nearly white, so that the picture stands on light and on dark pages alike.
_PAGE = "#fdfdfb"
_WIDTH_IN, _DOTS_PER_INCH = 8.4, 200
_STYLE = {
    "figure.facecolor": _PAGE,
    "axes.facecolor": _PAGE,
    "savefig.facecolor": _PAGE,
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "text.color": _INK,
    "axes.edgecolor": _GREY,
    "axes.labelcolor": _INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 11,
    "xtick.color": _GREY,
    "ytick.color": _GREY,
    "xtick.labelcolor": _INK,
    "ytick.labelcolor": _INK,
    "grid.color": "#e7e7e3",
    "grid.linewidth": 0.8,
    "axes.axisbelow": True,
    "svg.hashsalt": "tierchat",
}

Points = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Drawn:
    """What the plane of quality and cost shows. Points are (cost, share right).

    `rivals` are drawn in colour, `others` as thin grey lines without names.
    """

    ours: Curve
    tiers: dict[str, tuple[float, float]]
    oracles: Sequence[Curve] = ()
    rivals: Sequence[Curve] = ()
    others: Sequence[Curve] = ()
    title: str = ""


def draw_plane(drawn: Drawn, path: Path) -> None:
    """Draw quality against cost; the format is that of the file's suffix."""
    with _figure(path, 4.7) as (figure, axes):
        figure.subplots_adjust(left=0.085, right=0.665, top=0.9, bottom=0.12)
        tiers = sorted(drawn.tiers.values())
        far = max(1.0, *(cost for cost, _ in tiers)) * 1.02
        named: list[tuple[float, str, dict[str, Any]]] = []

        def curve(points: Points, name: str = "", **style: Any) -> None:
            costs, qualities = np.array(points).T
            kept = costs < far
            end = float(np.interp(far, costs, qualities))
            axes.plot([*costs[kept], far], [*qualities[kept], end], **style)
            if name:
                # Names stand in the order of the curves where these are furthest apart.
                named.append((float(np.interp(far / 3, costs, qualities, left=0.0)), name, style))

        for _, points in drawn.others:
            curve(points, color=_PALE, linewidth=0.9)
        for (name, points), dashes in zip(drawn.oracles, ((4, 2), (1, 1.5)), strict=False):
            curve(points, name, color=_GREY, linewidth=1.4, dashes=dashes)
        for (name, points), colour in zip(drawn.rivals, _RIVAL_COLOURS, strict=False):
            curve(points, name, color=colour, linewidth=1.6)
        curve(_hull_of(tiers), "tiers mixed by chance", color=_INK, linewidth=1.4, zorder=3)
        name, points = drawn.ours
        curve(points, name, color=_BLUE, linewidth=3.0, zorder=4, solid_capstyle="round")
        axes.plot(*zip(*tiers, strict=True), "o", color=_INK, markersize=5.5, zorder=5)
        for name, place in drawn.tiers.items():
            axes.annotate(
                name, place, (0, -15), textcoords="offset points", weight="bold", ha="center"
            )
        axes.set_xlim(0, far)
        axes.margins(y=0.1)
        axes.set_xlabel("compute, relative to the top tier alone")
        axes.set_ylabel("right answers")
        axes.yaxis.set_major_formatter(_percent())
        axes.grid()
        if drawn.title:
            axes.set_title(drawn.title, weight="bold", pad=12)
        _list_names(figure, named, bool(drawn.others))


def _list_names(
    figure: Any, named: Sequence[tuple[float, str, dict[str, Any]]], has_others: bool
) -> None:
    """Write the names beside the picture, each with a piece of its curve."""
    from matplotlib.lines import Line2D

    listed = [(name, style) for _, name, style in sorted(named, key=lambda each: -each[0])]
    if has_others:
        listed.append(("all other policies", {"color": _PALE, "linewidth": 0.9}))
    for index, (name, style) in enumerate(listed):
        height = 0.86 - 0.06 * index
        piece = {key: value for key, value in style.items() if key != "zorder"}
        figure.add_artist(Line2D((0.685, 0.712), (height, height), **piece))
        colour = _GREY if style["color"] == _PALE else style["color"]
        weight = "bold" if style["linewidth"] > 2 else "normal"
        figure.text(0.72, height, name, va="center", color=colour, weight=weight, fontsize=9)


def plane_of(
    lines: Sequence[PolicyLine], tiers: dict[str, tuple[float, float]], title: str
) -> Drawn:
    """Choose what the plane shows: ours, which comes first, oracles, and the best of the others.

    Names carry the NHG.
    """
    ours, *others = lines
    oracles = [line for line in others if "oracle" in line.name]
    # A tier alone is a point of the tiers.
    rivals = [line for line in others if line not in oracles and len(line.curve) > 1]
    ranked = sorted(rivals, key=lambda line: -line.nhg[0])
    num = len(_RIVAL_COLOURS)
    return Drawn(
        _named(ours),
        tiers,
        [(each.name, each.curve) for each in sorted(oracles, key=lambda line: -line.nhg[0])],
        [_named(line) for line in ranked[:num]],
        [_named(line) for line in ranked[num:]],
        title,
    )


def _named(line: PolicyLine) -> Curve:
    return f"{line.name}  {line.nhg[0]:.2f}", line.curve


def draw_sets(series: dict[str, dict[str, Interval]], path: Path, title: str = "") -> None:
    """Draw NHG by set, a row for each set; `series` maps a policy to its values by set."""
    sets = list(dict.fromkeys(name for values in series.values() for name in values))
    height_in = 1.5 + (0.16 + 0.17 * len(series)) * len(sets)
    with _figure(path, height_in) as (figure, axes):
        margin = 0.03 + 0.0095 * max(map(len, sets))
        figure.subplots_adjust(
            left=margin, right=0.97, top=1 - 0.72 / height_in, bottom=0.6 / height_in
        )
        colours = (_BLUE, *_RIVAL_COLOURS)
        for index, (policy, values) in enumerate(series.items()):
            offset = (index - (len(series) - 1) / 2) * 0.24
            mark, colour = _MARKS[index % len(_MARKS)], colours[index % len(colours)]
            for row, name in enumerate(sets):
                if name not in values:
                    continue
                value, low, high = (float(np.clip(v, -0.02, 1.0)) for v in values[name])
                place = row + offset
                axes.plot((low, high), (place, place), color=colour, linewidth=2, alpha=0.45)
                axes.plot(value, place, mark, color=colour, markersize=6, clip_on=False)
            left, top = margin + 0.02 + 0.3 * index, 1 - 0.52 / height_in
            [sign] = axes.plot(left, top, mark, color=colour, transform=figure.transFigure)
            sign.set_clip_on(False)
            figure.text(left + 0.012, top, policy, color=colour, va="center", fontsize=9)
        axes.set_yticks(range(len(sets)), sets)
        axes.set_ylim(len(sets) - 0.4, -0.6)
        axes.axvline(0, color=_INK, linewidth=1)
        axes.set_xlim(-0.03, 1.0)
        axes.set_xlabel("normalised hull gain: 0 is mixing tiers by chance, 1 is an oracle")
        axes.grid(axis="x")
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        figure.text(0.015, 1 - 0.22 / height_in, title, weight="bold", va="center", fontsize=11)


def draw_calibration(tiers: Sequence[Calibration], path: Path, title: str = "") -> None:
    """Draw, for each tier, how often it was right against how often that was expected."""
    with _figure(path, 3.5, len(tiers)) as (figure, panels):
        figure.subplots_adjust(left=0.095, right=0.97, top=0.8, bottom=0.15, wspace=0.3)
        for index, (axes, tier) in enumerate(zip(np.atleast_1d(panels), tiers, strict=True)):
            expected, right, _ = np.array(tier.bins).T
            axes.plot((0, 1), (0, 1), color=_PALE, linewidth=1.2)
            axes.plot(
                expected, right, "o-", color=_BLUE, linewidth=1.4, markersize=5, clip_on=False
            )
            axes.set_xlim(0, 1)
            axes.set_ylim(0, 1)
            axes.set_aspect("equal")
            axes.set_title(f"{tier.tier}, ECE {tier.ece:.3f}", fontsize=10)
            for axis in (axes.xaxis, axes.yaxis):
                axis.set_ticks((0, 0.25, 0.5, 0.75, 1))
                axis.set_major_formatter(_percent())
            axes.tick_params(labelsize=8)
            axes.set_xlabel("expected to be right")
            axes.set_ylabel("was right" if index == 0 else "")
            axes.grid()
        figure.text(0.015, 0.93, title, weight="bold", fontsize=11)


@contextmanager
def _figure(path: Path, height_in: float, num_panels: int = 1) -> Iterator[tuple[Any, Any]]:
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    with matplotlib.rc_context(_STYLE):
        figure, axes = pyplot.subplots(1, num_panels, figsize=(_WIDTH_IN, height_in))
        try:
            yield figure, axes
            # Dates and versions in the file would make equal charts differ.
            unwanted = {".svg": ("Date",), ".pdf": ("CreationDate",), ".png": ("Software",)}
            metadata = dict.fromkeys(unwanted.get(path.suffix, ()))
            figure.savefig(path, dpi=_DOTS_PER_INCH, metadata=metadata)
        finally:
            pyplot.close(figure)


def _hull_of(tiers: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    from tierchat.learning.evaluation.metrics import hull

    return [(float(cost), float(quality)) for cost, quality in hull(np.array(tiers))]


def _percent() -> Any:
    from matplotlib.ticker import PercentFormatter

    return PercentFormatter(1.0, decimals=0)
