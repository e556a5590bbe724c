"""Scores for validation points that are brought together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from datainf._arrays import GradientsLike
from datainf._questions import points as _points
from datainf._questions.by_id import ById, flags_of, labels_of
from datainf._questions.detection import Detection, detection, require_both_kinds
from datainf._questions.points import Aggregation
from datainf._questions.ranking import Ranking, ranking
from datainf._questions.scores import Options, Scores, score
from datainf._run import Run

Floats = npt.NDArray[np.float64]


class Aggregated:
    """One score a sample and column, for validation points brought together.

    Attributes:
        scores: What the server answered.
        labels: Observed labels of its samples, [n]; None unless given.
        columns: By name, [n] each.
    """

    def __init__(
        self,
        run: Run,
        validation: GradientsLike,
        *,
        aggregation: Aggregation,
        labels: ById | None,
        validation_labels: npt.ArrayLike | None,
        options: Options,
    ) -> None:
        if aggregation == "per_label" and labels is None:
            raise ValueError("labels is missing, expected with aggregation 'per_label'")
        points = _points.aggregate(validation, run.dimension, aggregation, validation_labels)
        self._method = options.method
        self.scores: Scores = score(run, points.gradients, options)
        ids = self.scores.ids
        self.labels: npt.NDArray[Any] | None = None
        if labels is not None:
            self.labels = labels_of("labels", labels, ids)
        rows = points.row_of(self.labels, len(ids))
        self.columns: Mapping[str, Floats] = self.scores.picked(rows)

    def ranking(
        self, question: str, k: int | None, flipped: ById | None = None, seed: int = 0
    ) -> Ranking:
        """Returns the samples in the order that the question asks for."""
        flagged = None
        detections: tuple[Detection, ...] = ()
        if flipped is not None:
            flagged = flags_of("flipped", flipped, self.scores.ids)
            require_both_kinds("flipped", flagged)
            detections = tuple(
                detection(name, column, flagged, seed=seed) for name, column in self.columns.items()
            )
        return ranking(
            question=question,
            method=self._method,
            ids=self.scores.ids,
            columns=self.columns,
            k=k,
            labels=self.labels,
            flagged=flagged,
            detections=detections,
            snapshot=self.scores.snapshot,
            notes=self.scores.notes,
        )
