"""Asks a run by all methods, and reports what came out: a table, JSON and a chart."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

import datainf

Row = dict[str, Any]
Gradients = npt.NDArray[np.float32]
Method = Literal["datainf", "hessian_free", "lissa", "exact"]

METHODS: tuple[Method, ...] = ("datainf", "hessian_free", "lissa", "exact")
# What float32 can promise; relative to the greatest score of the validation point.
TOLERANCE = 1e-5

_BESIDE = ("cosine", "squared_norm", "self_influence", "loss")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Asked:
    """What asking by one method took.

    Attributes:
        method: The method.
        seconds: From the question to the last score, at the client.
        note: What to know about the scores, or why there are none.
        answered: Whether there are scores that can be ranked.
    """

    method: Method
    seconds: float
    note: str = ""
    answered: bool = True


def ask(run: datainf.Run, gradients: Gradients, method: Method) -> Asked:
    """Times a question; scores that overflowed, or an exact solution too large, are an answer."""
    begin = time.perf_counter()
    try:
        result = run.query(gradients, method=method)
    except datainf.ResourceExhaustedError as error:
        return Asked(
            method=method, seconds=time.perf_counter() - begin, note=str(error), answered=False
        )
    seconds = time.perf_counter() - begin
    if not np.isfinite(result.scores).all():
        return Asked(method=method, seconds=seconds, note="diverged: not finite", answered=False)
    return Asked(method=method, seconds=seconds)


def find_flipped(
    run: datainf.Run, gradients: Gradients, flipped: npt.NDArray[np.bool_], losses: npt.NDArray[Any]
) -> list[Row]:
    """Returns how well each method and baseline finds wrong labels, by the mean of the points."""
    mean = gradients.mean(axis=0, dtype=np.float64).astype(np.float32)
    rows: list[Row] = []
    for asked in [ask(run, mean, method) for method in METHODS]:
        found: tuple[datainf.Detection, ...] = ()
        if asked.answered:
            found = datainf.mislabeled(
                run,
                mean,
                method=asked.method,
                flipped=flipped.tolist(),
                losses=losses.tolist(),
                baselines=asked.method == "hessian_free",
            ).detections
        rows += _rows(asked, [dataclasses.asdict(each) for each in found])
    return rows


def find_class(
    run: datainf.Run, gradients: Gradients, labels: Sequence[str], point_labels: Sequence[str]
) -> list[Row]:
    """Returns how well each method and baseline finds the samples of each point's class."""
    rows: list[Row] = []
    for asked in [ask(run, gradients, method) for method in METHODS]:
        found: list[Row] = []
        if asked.answered:
            matrix = datainf.influence(
                run,
                gradients,
                method=asked.method,
                labels=labels,
                validation_labels=point_labels,
                baselines=asked.method == "hessian_free",
                self_influence=False,
            )
            found = [dataclasses.asdict(each) for each in matrix.detections]
        rows += _rows(asked, found)
    return rows


def _rows(asked: Asked, found: list[Row]) -> list[Row]:
    """Returns a row for the method, and one for each baseline that came with it."""
    first: Row = {"method": asked.method, "seconds": asked.seconds, "note": asked.note}
    rows = [{**each, "seconds": None, "note": ""} for each in found if each["method"] in _BESIDE]
    own = next((each for each in found if each["method"] == asked.method), {})
    for row in (own, *rows):
        for each_point in ("point_aucs", "point_recalls"):
            row.pop(each_point, None)
    return [{**first, **own}, *(row for row in rows if asked.method == "hessian_free")]


def recomputation_error(run: datainf.Run, points: Gradients) -> float:
    """Returns how far DataInf's scores are from numpy's in float64, of what the server has stored.

    The formula as the paper has it, block by block. Relative to each point's greatest score.
    """
    with run.read_samples() as samples:
        chunks = [(chunk.ids, chunk.gradients) for chunk in samples]
    ids = np.concatenate([each for each, _ in chunks])
    stored = np.concatenate([rows for _, rows in chunks])
    expected = np.zeros((len(points), len(ids)))
    start = 0
    for block in run.blocks:
        part = slice(start, start + block.dimension)
        start = part.stop
        g, v = stored[:, part].astype(np.float64), points[:, part].astype(np.float64)
        squared_norms = (g**2).sum(axis=1)
        damping = run.damping_scale * squared_norms.sum() / g.size
        if damping > 0:
            weights = (v @ g.T) / (damping + squared_norms) / len(g)
            expected -= ((v - weights @ g) / damping) @ g.T
    scores = run.query(points, ids=ids).scores
    greatest = np.abs(expected).max(axis=1, keepdims=True)
    return float((np.abs(scores - expected) / greatest).max())


def require_recomputed(run: datainf.Run, points: Gradients) -> float:
    """Prints the error of `recomputation_error`, and ends the example if it is too large."""
    error = recomputation_error(run, points)
    print(f"  scores against numpy in float64: {error:.1e} (allowed {TOLERANCE:.0e})")
    if not error <= TOLERANCE:
        raise SystemExit("WRONG: the server's scores are not those that numpy computes")
    return error


def print_table(title: str, rows: list[Row]) -> None:
    """Prints rows with their intervals; what a row lacks is left out."""
    print(f"\n{title}")
    has_recall = any("recall" in row for row in rows)
    head = f"  {'method':<16}{'AUC (95 % interval)':<24}"
    print(head + (f"{'recall (95 % interval)':<26}" if has_recall else "") + "seconds")
    for row in rows:
        cells = f"  {row['method']:<16}"
        if "auc" in row:
            low, high = row.get("low", row.get("auc_low")), row.get("high", row.get("auc_high"))
            cells += f"{row['auc']:.3f} ({low:.3f}-{high:.3f})".ljust(24)
        if "recall" in row:
            interval = f"({row['recall_low']:.3f}-{row['recall_high']:.3f})"
            cells += f"{row['recall']:.3f} {interval}".ljust(26)
        seconds = "" if row["seconds"] is None else f"{row['seconds']:.3f}"
        print(f"{cells}{seconds} {row['note']}".rstrip())


def write_json(folder: Path, report: dict[str, Any]) -> None:
    """Writes `report.json`; numbers that JSON lacks become null."""
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(report, indent=2, default=str, allow_nan=False)
    (folder / "report.json").write_text(text + "\n", encoding="utf-8")
    print(f"\n{folder / 'report.json'}")


def draw(folder: Path, title: str, panels: dict[str, Callable[[Any], None]]) -> None:
    """Draws panels side by side to `report.png`, if matplotlib is there.

    Args:
        folder: Where to.
        title: Of the whole.
        panels: By title: what draws on the axes that it is given.
    """
    try:
        from matplotlib.figure import Figure  # noqa: PLC0415  # optional
    except ModuleNotFoundError:
        print("no chart: it takes matplotlib")
        return
    figure = Figure(figsize=(5 * len(panels), 4), layout="constrained")
    for ax, (name, panel) in zip(
        figure.subplots(1, len(panels), squeeze=False)[0], panels.items(), strict=True
    ):
        panel(ax)
        ax.set_title(name)
    figure.suptitle(title)
    figure.savefig(folder / "report.png", dpi=120)
    print(folder / "report.png")


def auc_panel(rows: list[Row]) -> Callable[[Any], None]:
    """Returns what draws the AUCs of rows with their intervals."""

    def panel(ax: Any) -> None:
        shown = [row for row in rows if "auc" in row][::-1]
        middles = np.array([row["auc"] for row in shown])
        lows = middles - [row.get("low", row.get("auc_low")) for row in shown]
        highs = [row.get("high", row.get("auc_high")) for row in shown] - middles
        names = [row["method"] for row in shown]
        ax.barh(names, middles, xerr=np.abs([lows, highs]), capsize=3)
        ax.axvline(0.5, color="black", linewidth=0.8, linestyle=":")
        ax.set(xlim=(0, 1), xlabel="AUC, 95 % interval")

    return panel
