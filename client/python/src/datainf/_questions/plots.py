"""Charts of results, by matplotlib."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

_HELPFUL, _HARMFUL = "#12706a", "#b3401f"
_MOST_BARS = 30


def axes(ax: Any) -> Any:
    """Returns the axes given, or those of a new figure.

    Raises:
        ImportError: matplotlib is not installed.
    """
    if ax is not None:
        return ax
    try:
        from matplotlib.figure import Figure  # noqa: PLC0415  # optional
    except ImportError as error:
        raise ImportError("plot needs matplotlib: pip install 'datainf-client[plot]'") from error
    # Not pyplot's: it would keep the figure, and choose a window system.
    return Figure(figsize=(7, 4.5), layout="constrained").add_subplot()


def bars(ax: Any, ids: npt.NDArray[np.uint64], scores: Floats) -> Any:
    """Draws the first scores as bars, one a sample."""
    ax = axes(ax)
    shown = scores[:_MOST_BARS]
    places = np.arange(len(shown))
    ax.barh(places, shown, color=np.where(shown < 0, _HELPFUL, _HARMFUL))
    ax.set_yticks(places, [str(sample_id) for sample_id in ids[: len(shown)]])
    ax.invert_yaxis()
    ax.set_xlabel("score (negative = helpful)")
    ax.set_ylabel("sample id")
    return ax


def found_shares(
    ax: Any, ranks: Mapping[str, npt.NDArray[np.int64]], flagged: npt.NDArray[np.bool_]
) -> Any:
    """Draws, for each column, the share of flagged samples among the first of its ranking."""
    ax = axes(ax)
    inspected = np.linspace(0, 1, len(flagged) + 1)
    for name, rank in ranks.items():
        found = np.cumsum(flagged[np.argsort(rank)]) / flagged.sum()
        ax.plot(inspected, np.concatenate([[0.0], found]), label=name)
    ax.plot([0, 1], [0, 1], color="grey", linestyle=":", label="chance")
    ax.set_xlabel("share of samples inspected")
    ax.set_ylabel("share of flagged samples found")
    ax.legend()
    return ax


def matrix(ax: Any, scores: Floats) -> Any:
    """Draws scores [m, n] as a picture: one line a validation point, samples from left to right."""
    ax = axes(ax)
    limit = float(np.abs(scores).max()) or 1.0
    picture = ax.imshow(scores, aspect="auto", cmap="RdBu_r", vmin=-limit, vmax=limit)
    ax.figure.colorbar(picture, ax=ax, label="score (negative = helpful)")
    ax.set_xlabel("sample, in the order of ids")
    ax.set_ylabel("validation point")
    return ax


def kept_shares(ax: Any, groups: Mapping[str, float]) -> Any:
    """Draws the share of each group of samples that is kept."""
    ax = axes(ax)
    ax.bar(list(groups), list(groups.values()), color=_HELPFUL)
    ax.set_ylim(0, 1)
    ax.set_xlabel("label")
    ax.set_ylabel("share of samples kept")
    return ax


def errors(
    ax: Any, parameter: str, lines: Mapping[str, tuple[list[float], list[float]]], figure: str
) -> Any:
    """Draws a figure of each method over the parameter of a study.

    Args:
        ax: Axes or None.
        parameter: Its name.
        lines: By method: values of the parameter, and of the figure.
        figure: What is drawn.
    """
    ax = axes(ax)
    for method, (values, heights) in lines.items():
        ax.plot(values, heights, marker="o", label=method)
    ax.set_xscale("log")
    ax.set_xlabel(parameter.replace("_", " "))
    ax.set_ylabel(figure.replace("_", " "))
    ax.legend()
    return ax


def error_bars(ax: Any, errors_of: Mapping[str, float]) -> Any:
    """Draws the relative error of each method as a bar."""
    ax = axes(ax)
    ax.bar(list(errors_of), list(errors_of.values()))
    ax.set_xlabel("method")
    ax.set_ylabel("relative error to exact")
    return ax
