"""How well scores find the samples that are known to be what is looked for."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt

Flags = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]

REPLICATES = 1000
_TAILS = (2.5, 97.5)  # percent: an interval of 95 %


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Detection:
    """How well one column of scores finds flagged samples.

    Attributes:
        method: The column.
        auc: Chance that a flagged sample ranks before another one, ties counted half; 0.5 is
            chance, 1 is perfect.
        low: Lower end of the 95 % bootstrap interval of `auc`.
        high: Its upper end.

    Example:
        >>> flipped = {10: True, 11: False}
        >>> found = datainf.mislabeled(run, np.ones(run.dimension), flipped=flipped)
        >>> found.detections[0].method, found.detections[0].auc
        ('datainf', 0.5)
    """

    method: str
    auc: float
    low: float
    high: float


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class ClassDetection:
    """How well one column of scores finds, for each validation point, the samples of its label.

    Intervals are of 95 %, by bootstrap over the validation points.

    Attributes:
        method: The column.
        auc: Mean AUC over validation points: same label against other labels, helpful first.
        auc_low: Lower end of its interval.
        auc_high: Upper end.
        recall: Mean share of same-label samples among the c most helpful, c being how many there
            are.
        recall_low: Lower end of its interval.
        recall_high: Upper end.
        point_aucs: AUC of each validation point, float64 [m]; NaN where one of both kinds is
            missing, and then left out of the means.
        point_recalls: Recall of each, [m].

    Example:
        >>> matrix = datainf.influence(
        ...     run,
        ...     np.ones(run.dimension),
        ...     labels={10: "a", 11: "b"},
        ...     validation_labels=["a"],
        ... )
        >>> matrix.detections[0].method, matrix.detections[0].auc
        ('datainf', 0.5)
    """

    method: str
    auc: float
    auc_low: float
    auc_high: float
    recall: float
    recall_low: float
    recall_high: float
    point_aucs: Floats
    point_recalls: Floats


def detection(
    method: str, suspicion: Floats, flags: Flags, *, seed: int, replicates: int = REPLICATES
) -> Detection:
    """Returns the AUC of a column with its interval: flagged and other samples drawn anew each.

    Args:
        method: Name of the column.
        suspicion: Greater = more likely flagged, [n].
        flags: Which samples are, [n]; both kinds must occur.
        seed: Seed of the bootstrap: equal seeds give equal intervals.
        replicates: Of the bootstrap.
    """
    _, group = np.unique(suspicion, return_inverse=True)
    flagged, others = group[flags], group[~flags]
    groups = int(group.max()) + 1
    generator = np.random.default_rng(seed)
    drawn = [
        _auc_of_groups(
            flagged[generator.integers(0, len(flagged), len(flagged))],
            others[generator.integers(0, len(others), len(others))],
            groups,
        )
        for _ in range(replicates)
    ]
    low, high = np.percentile(drawn, _TAILS)
    whole = _auc_of_groups(flagged, others, groups)
    return Detection(method=method, auc=whole, low=float(low), high=float(high))


def require_both_kinds(name: str, flags: Flags) -> None:
    """Raises ValueError unless some samples are flagged and some are not."""
    if flags.all() or not flags.any():
        raise ValueError(
            f"{name} marks {flags.sum()} of {len(flags)} samples, expected some but not all"
        )


def auc(suspicion: Floats, flags: Flags) -> float:
    """Returns the chance that a flagged sample has the greater suspicion; ties count half."""
    _, group = np.unique(suspicion, return_inverse=True)
    return _auc_of_groups(group[flags], group[~flags], int(group.max()) + 1)


def class_detection(
    method: str,
    scores: Floats,
    labels: npt.NDArray[Any],
    point_labels: npt.NDArray[Any],
    *,
    seed: int,
    replicates: int = REPLICATES,
) -> ClassDetection:
    """Returns how well scores find the samples of each validation point's label.

    Args:
        method: Name of the column.
        scores: Lower = more helpful, [m, n].
        labels: Of the samples, [n].
        point_labels: Of the validation points, [m].
        seed: Of the bootstrap.
        replicates: Of the bootstrap.
    """
    points = [
        _of_point(row, labels == label) for row, label in zip(scores, point_labels, strict=True)
    ]
    aucs, recalls = np.array(points).T
    usable = np.flatnonzero(~np.isnan(aucs))
    if not usable.size:
        raise ValueError(
            "no label of validation_labels has both training samples of its own and others"
        )
    draws = np.random.default_rng(seed).choice(usable, (replicates, usable.size))
    auc_low, auc_high = np.percentile(aucs[draws].mean(axis=1), _TAILS).tolist()
    recall_low, recall_high = np.percentile(recalls[draws].mean(axis=1), _TAILS).tolist()
    return ClassDetection(
        method=method,
        auc=float(aucs[usable].mean()),
        auc_low=auc_low,
        auc_high=auc_high,
        recall=float(recalls[usable].mean()),
        recall_low=recall_low,
        recall_high=recall_high,
        point_aucs=aucs,
        point_recalls=recalls,
    )


def _of_point(scores: Floats, same: Flags) -> tuple[float, float]:
    count = int(same.sum())
    if count in (0, len(same)):
        return float("nan"), float("nan")
    first = np.argsort(scores, kind="stable")[:count]
    return auc(-scores, same), float(same[first].mean())


def _auc_of_groups(
    flagged: npt.NDArray[np.intp], others: npt.NDArray[np.intp], groups: int
) -> float:
    """Returns the AUC of samples that are given by the rank of their value among all values."""
    wins = np.bincount(flagged, minlength=groups)
    losses = np.bincount(others, minlength=groups)
    below = np.cumsum(losses) - losses / 2
    return float(wins @ below / (len(flagged) * len(others)))
