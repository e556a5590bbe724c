"""The influence of each sample on each validation point."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from datainf._questions import plots
from datainf._questions.by_id import ById
from datainf._questions.detection import ClassDetection
from datainf._questions.page import (
    Column,
    Markup,
    Shown,
    heading,
    numbers,
    paragraph,
    samples,
    table,
)
from datainf._questions.ranking import ranks_of
from datainf._questions.result import Result, in_sign_of
from datainf._result import Snapshot
from datainf._tables import Sign, in_sign

Floats = npt.NDArray[np.float64]

# Samples that a page shows at either end for each validation point.
_MOST_EACH = 5


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class InfluenceMatrix(Result):
    """Scores of all samples for each validation point.

    Attributes:
        method: The method; its column is the first.
        ids: Sample ids in ascending order, uint64, shape [n].
        columns: Scores by name, float64, shape [m, n] each, as for `Ranking.columns`.
        labels: Observed labels of the samples, shape [n]; None unless given.
        point_labels: Labels of the validation points, shape [m]; None unless given.
        detections: How well each column finds the samples of each point's label; empty unless both
            are given.
        snapshot: What the scores were computed from.
        notes: What to know about the baselines, and of a solver that did not converge.

    Example:
        >>> matrix = datainf.influence(run, np.ones((3, run.dimension)))
        >>> matrix.scores.shape
        (3, 2)
    """

    method: str
    ids: npt.NDArray[np.uint64]
    columns: Mapping[str, Floats]
    labels: npt.NDArray[Any] | None
    point_labels: npt.NDArray[Any] | None
    detections: tuple[ClassDetection, ...]
    snapshot: Snapshot
    notes: tuple[str, ...]

    @property
    def scores(self) -> Floats:
        """Scores of the method, shape [m, n]; negative = helpful."""
        return self.columns[self.method]

    def numpy(self, *, sign: Sign = "paper") -> tuple[npt.NDArray[np.uint64], Floats]:
        """Returns `(ids, scores)`, of shapes [n] and [m, n]: uint64 and float64.

        Example:
            >>> ids, scores = datainf.influence(run, np.ones(run.dimension)).numpy()
            >>> ids.shape, scores.shape
            ((2,), (1, 2))
        """
        return self.ids, in_sign(self.scores, sign)

    def plot(self, ax: Any = None) -> Any:
        """Draws the scores as a picture, one line a validation point.

        Example:
            >>> datainf.influence(run, np.ones(run.dimension)).plot().get_ylabel()
            'validation point'
        """
        return plots.matrix(ax, self.scores)

    def table(self, *, sign: Sign = "paper") -> dict[str, npt.NDArray[Any]]:
        """Returns the columns by name, [m * n] each: those of one point together."""
        points, count = self.scores.shape
        found: dict[str, npt.NDArray[Any]] = {
            "validation_index": np.repeat(np.arange(points), count),
            "sample_id": np.tile(self.ids, points),
        }
        if self.point_labels is not None:
            found["validation_label"] = np.repeat(self.point_labels, count)
        if self.labels is not None:
            found["label"] = np.tile(self.labels, points)
        for name, column in self.columns.items():
            found[name] = in_sign_of(name, column, sign).reshape(-1)
        return found

    def _page(
        self, texts: ById | None, images: ById | None, rows: int, sign: Sign
    ) -> tuple[str, list[Markup]]:
        points, count = self.scores.shape
        shown_points = min(points, rows)
        each = min(_MOST_EACH, count)
        parts = [
            paragraph(
                f"{self.method}; {shown_points} of {points} validation points, and for each the"
                f" {each} most helpful and most harmful of {count} samples; run revision"
                f" {self.snapshot.revision}."
            ),
            *map(paragraph, self.notes),
            *_detection_parts(self.detections),
        ]
        for point in range(shown_points):
            name = "" if self.point_labels is None else f", label {self.point_labels[point]}"
            parts.append(heading(f"Validation point {point}{name}"))
            parts.append(self._point_table(point, each, Shown(texts, images), sign))
        return "Influence on each validation point", parts

    def _point_table(self, point: int, each: int, shown: Shown, sign: Sign) -> Markup:
        harmful = np.argsort(ranks_of(self.ids, self.scores[point], harmful_first=True))[:each]
        helpful = np.argsort(ranks_of(self.ids, self.scores[point], harmful_first=False))[:each]
        at = np.concatenate([helpful, harmful])
        kinds = ["helpful"] * len(helpful) + ["harmful"] * len(harmful)
        after: dict[str, Column] = {}
        if self.labels is not None:
            after["label"] = self.labels[at]
        for name, column in self.columns.items():
            after[name] = numbers(in_sign_of(name, column[point, at], sign))
        return samples(self.ids[at], shown, {"most": kinds}, after)


def _detection_parts(detections: tuple[ClassDetection, ...]) -> list[Markup]:
    if not detections:
        return []
    lines = [
        [
            each.method,
            f"{each.auc:.3f} ({each.auc_low:.3f} to {each.auc_high:.3f})",
            f"{each.recall:.3f} ({each.recall_low:.3f} to {each.recall_high:.3f})",
        ]
        for each in detections
    ]
    return [
        heading("How well samples of the same label are found"),
        table(["ranked by", "AUC (95 % interval)", "recall (95 % interval)"], lines),
    ]
