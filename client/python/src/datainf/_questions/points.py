"""What a question is about: validation gradients, each for itself or brought together."""

from __future__ import annotations

import dataclasses
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from datainf._arrays import GradientsLike, as_floats
from datainf._questions.by_id import as_labels

Aggregation = Literal["mean", "balanced_mean", "per_label"]
"""How validation gradients v_j with labels y_j are brought together. `"mean"`: v = 1/m sum_j v_j.
`"balanced_mean"`: the mean over labels of the mean of each label's v_j, so that a frequent label
counts no more than a rare one. `"per_label"`: a training sample is scored by the mean of the v_j
that have its own observed label."""

AGGREGATIONS = ("mean", "balanced_mean", "per_label")


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Points:
    """Gradients to ask with.

    Attributes:
        gradients: float32, [c, D].
        labels: The label that each row stands for, [c]; None if rows are for all samples.
    """

    gradients: npt.NDArray[np.float32]
    labels: npt.NDArray[Any] | None = None

    def row_of(self, labels: npt.NDArray[Any] | None, count: int) -> npt.NDArray[np.intp]:
        """Returns which row scores each sample, [n].

        Args:
            labels: Observed labels of the samples, [n].
            count: Samples, n.

        Raises:
            ValueError: Labels are missing, or one of them has no validation point.
        """
        if self.labels is None:
            return np.zeros(count, np.intp)
        if labels is None:
            raise ValueError("labels is missing, expected with aggregation 'per_label'")
        rows = np.clip(np.searchsorted(self.labels, labels), 0, len(self.labels) - 1)
        missing = self.labels[rows] != labels
        if missing.any():
            label = labels[missing][0]
            raise ValueError(
                f"no validation point has the label {label.item()!r} of"
                f" {(labels == label).sum()} training samples, expected one for each label with"
                f" aggregation 'per_label'; validation_labels has {self.labels.tolist()}"
            )
        return rows


def rows(name: str, gradients: GradientsLike, dimension: int) -> npt.NDArray[np.float32]:
    """Returns gradients as float32, [m, D].

    Raises:
        TypeError: They are no floats.
        ValueError: The shape is wrong, or a value is NaN or infinite.
    """
    array, is_bfloat16 = as_floats(name, gradients)
    if is_bfloat16:
        array = (array.astype(np.uint32) << 16).view(np.float32)
    floats = np.atleast_2d(array.astype(np.float32, copy=False))
    if floats.ndim != 2 or floats.shape[1] != dimension or len(floats) == 0:
        raise ValueError(
            f"{name} has shape {list(array.shape)}, expected [m, {dimension}] with m of at least 1"
        )
    wrong = ~np.isfinite(floats).all(axis=1)
    if wrong.any():
        raise ValueError(
            f"{name} holds NaN or infinity in row {np.argmax(wrong)}, expected finite numbers"
        )
    return floats


def aggregate(
    validation: GradientsLike,
    dimension: int,
    aggregation: str,
    validation_labels: npt.ArrayLike | None,
) -> Points:
    """Returns the gradients to ask with.

    Args:
        validation: Gradients, [m, D] or [D].
        dimension: D.
        aggregation: See `Aggregation`.
        validation_labels: Labels, [m].

    Raises:
        TypeError: A dtype is wrong.
        ValueError: A value is wrong, or labels are missing.
    """
    if aggregation not in AGGREGATIONS:
        expected = ", ".join(map(repr, AGGREGATIONS))
        raise ValueError(f"aggregation is {aggregation!r}, expected one of {expected}")
    points = rows("validation", validation, dimension)
    if aggregation == "mean":
        return Points(gradients=_means([points]))
    if validation_labels is None:
        raise ValueError(f"validation_labels is missing, expected with {aggregation!r}")
    labels = point_labels(validation_labels, len(points))
    each = np.unique(labels)
    means = _means([points[labels == label] for label in each])
    if aggregation == "per_label":
        return Points(gradients=means, labels=each)
    return Points(gradients=_means([means]))


def point_labels(validation_labels: npt.ArrayLike, count: int) -> npt.NDArray[Any]:
    """Returns the labels of validation points, [m]; ValueError if there are not as many."""
    labels = as_labels("validation_labels", validation_labels)
    if len(labels) != count:
        raise ValueError(
            f"validation_labels has {len(labels)} labels, expected {count}: one a validation point"
        )
    return labels


def _means(groups: list[npt.NDArray[np.float32]]) -> npt.NDArray[np.float32]:
    """Returns the mean of each group, summed in double precision, [c, D]."""
    return np.stack([group.mean(axis=0, dtype=np.float64) for group in groups]).astype(np.float32)
