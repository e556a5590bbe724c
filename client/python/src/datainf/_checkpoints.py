"""Scores over several checkpoints."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from datainf._result import QueryResult


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class CombinedScores:
    """Scores summed over checkpoints; negative = helpful, positive = harmful.

    Attributes:
        ids: Sample ids in ascending order, uint64, shape [n].
        scores: float64, shape [m, n]: one row per validation point.

    Example:
        >>> result = run.query(np.ones(run.dimension, np.float32))
        >>> datainf.combine_checkpoints([result], [0.1]).scores.shape
        (1, 2)
    """

    ids: npt.NDArray[np.uint64]
    scores: npt.NDArray[np.float64]


def combine_checkpoints(results: Sequence[QueryResult], weights: Sequence[float]) -> CombinedScores:
    """Returns score_k = sum_t w_t score_{t,k} over the answers of one run a checkpoint.

    With the learning rate at checkpoint t as w_t, and `method="hessian_free"`, that is TracInCP.
    The validation points must be the same in all, their gradients taken at the run's checkpoint.

    Args:
        results: One a checkpoint, of all samples (without `top_k`).
        weights: w_t, as many.

    Raises:
        ValueError: The results are not of the same samples or of as many validation points; a
            weight is not finite.

    Example:
        >>> early = run.query(np.ones(run.dimension, np.float32))
        >>> late = run.query(np.full(run.dimension, 2, np.float32))
        >>> combined = datainf.combine_checkpoints([early, late], [1e-3, 5e-4])
        >>> combined.ids.tolist()
        [10, 11]
    """
    if not results or len(results) != len(weights):
        raise ValueError(
            f"{len(results)} results and {len(weights)} weights, expected as many, and at least one"
        )
    if not np.isfinite(weights).all():
        raise ValueError(f"weights are {list(weights)}, expected finite numbers")
    ids, total = _sorted(0, results[0])
    total = total * weights[0]
    for index, (result, weight) in enumerate(zip(results[1:], weights[1:], strict=True), start=1):
        others, scores = _sorted(index, result)
        if scores.shape[0] != total.shape[0]:
            raise ValueError(
                f"result {index} has {scores.shape[0]} validation points, the first"
                f" {total.shape[0]}"
            )
        unshared = np.setxor1d(ids, others)
        if len(unshared):
            raise ValueError(
                f"result {index} and the first are not of the same samples: {unshared[0]} is in one"
                " only; ask both for ids= that both runs hold"
            )
        total += scores * weight
    return CombinedScores(ids=ids, scores=total)


def _sorted(
    index: int, result: QueryResult
) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.float64]]:
    ids = result.ids[0]
    if (result.ids != ids).any():
        raise ValueError(f"result {index} has other ids in each row: ask without top_k")
    order = np.argsort(ids)
    return ids[order], result.scores[:, order]
