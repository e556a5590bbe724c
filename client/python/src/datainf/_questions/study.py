"""The result of a study: one row a method and value of a parameter."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt

from datainf._questions import plots
from datainf._questions.by_id import ById
from datainf._questions.detection import Detection
from datainf._questions.page import Markup, numbers, paragraph, table
from datainf._questions.result import Result
from datainf._tables import Sign

Floats = npt.NDArray[np.float64]

_TITLES = {
    "method": "Methods against the exact solution",
    "damping_scale": "What the damping changes",
    "rank": "Error and time by LoRA rank",
}
_FIGURES = ("pearson", "spearman", "relative_error")


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class StudyRow:
    """One method at one value of the parameter.

    Attributes:
        value: The value: a method, a damping scale or a rank.
        run_id: The run.
        method: The method.
        dimension: Elements of one sample, D.
        pearson: Correlation with the exact scores for each validation point, float64, shape [m];
            NaN where it was not computed, where scores are constant, and for `"exact"` itself.
        spearman: Correlation of ranks, shape [m].
        relative_error: |s - e| / |e|, shape [m].
        spearman_to_own: Correlation of ranks with the method's own scores at the run's damping
            scale, shape [m]; of a damping study only.
        compute_seconds: Time of the computation of all points together.
        detection: How well the mean of the points finds flagged samples; None unless given.

    Example:
        >>> study = datainf.compare_methods(run, np.ones(run.dimension))
        >>> study.rows[0].method, study.rows[0].dimension
        ('datainf', 14)
    """

    value: float | int | str
    run_id: str
    method: str
    dimension: int
    pearson: Floats
    spearman: Floats
    relative_error: Floats
    spearman_to_own: Floats | None
    compute_seconds: float
    detection: Detection | None


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Study(Result):
    """What a study found. Its table has the means over validation points.

    Attributes:
        parameter: What varies: `"method"`, `"damping_scale"` or `"rank"`.
        rows: One row for each value and method, in order.

    Example:
        >>> study = datainf.compare_methods(run, np.ones(run.dimension))
        >>> study.parameter, len(study.rows)
        ('method', 4)
    """

    parameter: str
    rows: tuple[StudyRow, ...]

    def numpy(self) -> tuple[npt.NDArray[Any], Floats]:
        """Returns `(values, relative_errors)`, [k] each: a row's value and its mean error.

        Example:
            >>> values, errors = datainf.compare_methods(run, np.ones(run.dimension)).numpy()
            >>> values.tolist()
            ['datainf', 'hessian_free', 'lissa', 'exact']
        """
        return np.array([row.value for row in self.rows]), self.table()["relative_error"]

    def plot(self, ax: Any = None) -> Any:
        """Draws the relative error, or without it the agreement with the run's own damping.

        Example:
            >>> datainf.compare_methods(run, np.ones(run.dimension)).plot().get_xlabel()
            'method'
        """
        columns = self.table()
        name = "relative_error"
        if np.isnan(columns[name]).all():
            name = "spearman_to_own" if "spearman_to_own" in columns else "compute_seconds"
        drawn = [(row, float(columns[name][k])) for k, row in enumerate(self.rows)]
        drawn = [(row, height) for row, height in drawn if not np.isnan(height)]
        if self.parameter == "method":
            return plots.error_bars(ax, {row.method: height for row, height in drawn})
        lines: dict[str, tuple[list[float], list[float]]] = {}
        for row, height in drawn:
            values, heights = lines.setdefault(row.method, ([], []))
            values.append(float(row.value))
            heights.append(height)
        return plots.errors(ax, self.parameter, lines, name)

    def table(self, *, sign: Sign = "paper") -> dict[str, npt.NDArray[Any]]:  # noqa: ARG002  # has no scores
        """Returns the columns by name, [k] each: the parameter, run and method, and figures."""
        columns: dict[str, npt.NDArray[Any]] = {}
        if self.parameter != "method":
            columns[self.parameter] = np.array([row.value for row in self.rows])
        columns["run_id"] = np.array([row.run_id for row in self.rows])
        columns["method"] = np.array([row.method for row in self.rows])
        columns["dimension"] = np.array([row.dimension for row in self.rows])
        for name in _FIGURES:
            columns[name] = np.array([getattr(row, name).mean() for row in self.rows])
        if any(row.spearman_to_own is not None for row in self.rows):
            columns["spearman_to_own"] = np.array(
                [
                    np.nan if row.spearman_to_own is None else row.spearman_to_own.mean()
                    for row in self.rows
                ]
            )
        columns["compute_seconds"] = np.array([row.compute_seconds for row in self.rows])
        if any(row.detection is not None for row in self.rows):
            for name in ("auc", "low", "high"):
                columns[name if name == "auc" else f"auc_{name}"] = np.array(
                    [getattr(row.detection, name, np.nan) for row in self.rows]
                )
        return columns

    def _page(
        self,
        texts: ById | None,  # noqa: ARG002  # shows no samples
        images: ById | None,  # noqa: ARG002
        rows: int,
        sign: Sign,
    ) -> tuple[str, list[Markup]]:
        columns = {
            name: numbers(column) if column.dtype.kind == "f" else column.tolist()
            for name, column in self.table(sign=sign).items()
        }
        lines = list(zip(*columns.values(), strict=True))[:rows]
        said = (
            "Means over validation points. pearson, spearman and relative_error compare with the"
            " exact solution at the same damping."
        )
        return _TITLES[self.parameter], [paragraph(said), table(list(columns), lines)]
