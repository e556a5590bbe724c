"""The answer to a query."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from datainf._tables import Sign, arrow_table, in_sign, pandas_table

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Snapshot:
    """The fixed set of samples that an answer was computed from, and how.

    Attributes:
        sample_count: Samples, n.
        revision: Revision of the run.
        damping: lambda_l of each block in layout order, float64, shape [L]; 0 for a skipped block.
        skipped_blocks: Names of the blocks whose gradients are all zero so far: they contribute 0
            to all scores.
        method: The method used, as in `Run.query`.
        stored_dtype: Encoding of the stored samples: `"f32"` or `"bf16"`.
        engine: What computed, e.g. `"vector"`.

    Example:
        >>> snapshot = run.query(np.ones(run.dimension)).snapshot
        >>> snapshot.sample_count, snapshot.method, snapshot.damping.shape
        (2, 'datainf', (2,))
    """

    sample_count: int
    revision: int
    damping: npt.NDArray[np.float64]
    skipped_blocks: tuple[str, ...]
    method: str
    stored_dtype: str
    engine: str


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class SolverReport:
    """How a solver of (G + lambda I) h = v ended: the worst over blocks and validation points.

    Attributes:
        converged: `"exact"`: the tolerance was reached. LiSSA: the residual is at most 1e-3.
        iterations: Most iterations of any block; 0 for a direct solver.
        relative_residual: |v - (G + lambda I) h| / |v|; can be infinite if LiSSA diverges.
        solver: What solved: `"gram"`, `"cholesky"`, `"cg"` or `"lissa"`; joined by "+" where blocks
            were solved in different ways.

    Example:
        >>> run.query(np.ones(run.dimension), method="exact").solver.converged
        True
    """

    converged: bool
    iterations: int
    relative_residual: float
    solver: str


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class QuerySummary:
    """What an answer cost, and how far to trust it.

    Attributes:
        queue_seconds: From the arrival of the whole request to the start of the computation.
        compute_seconds: In the computation, which it may have shared with other queries.
        respond_seconds: From its end to the last message.
        relative_error_bound: Bound on the rounding error of any score before normalization,
            relative to the greatest absolute score of its validation point; None if the method has
            none.
        recomputed_in_double: Single precision was not accurate enough for some point of the batch,
            so double was used.
        batch_query_count: Queries that were computed together, this one included.

    Example:
        >>> summary = run.query(np.ones(run.dimension)).summary
        >>> summary.batch_query_count
        1
    """

    queue_seconds: float
    compute_seconds: float
    respond_seconds: float
    relative_error_bound: float | None
    recomputed_in_double: bool
    batch_query_count: int


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class QueryResult:
    """Influence of training samples on the loss of validation points.

    Sign, the paper's (DataInf, arXiv 2310.00902): a **negative** score marks a **helpful** sample,
    a **positive** one a **harmful** sample. dattri, LogIX, kronfluence and captum use the opposite
    sign.

    The shape is always [m, k], for one validation point too: row j belongs to validation point j (m
    = 1 with `aggregation="mean"`), and `scores[j, c]` is the score of the sample `ids[j, c]`.
    Columns: with `top_k` the first k by rank, in each row others; with `ids=` those asked for, in
    that order; otherwise all n samples in the order in which they were stored. Without `top_k` the
    rows of `ids` are equal and share memory.

    Attributes:
        ids: Sample ids, uint64, shape [m, k], read-only.
        scores: Scores, float64, shape [m, k].
        block_scores: Each block's term of the score, float64, shape [L, m, k]; None unless asked
            for.
        snapshot: What the answer was computed from.
        summary: What it cost.
        solver: How the solver ended; None for methods that have none.
        further: The results for the second damping and on, when several were asked for. See
            `by_damping`.

    Example:
        >>> result = run.query(np.ones(run.dimension, np.float32), top_k=1)
        >>> result.ids.shape, result.scores.shape
        ((1, 1), (1, 1))
    """

    ids: npt.NDArray[np.uint64]
    scores: npt.NDArray[np.float64]
    block_scores: npt.NDArray[np.float64] | None
    snapshot: Snapshot
    summary: QuerySummary
    solver: SolverReport | None = None
    further: tuple[QueryResult, ...] = ()

    @property
    def by_damping(self) -> tuple[QueryResult, ...]:
        """One result for each damping asked for, in order; the first is this one.

        Example:
            >>> result = run.query(np.ones(run.dimension), damping_scales=[0.01, 0.1, 1])
            >>> [each.scores.shape[0] for each in result.by_damping]
            [1, 1, 1]
        """
        return (self, *self.further)

    def numpy(
        self, *, sign: Sign = "paper"
    ) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.float64]]:
        """Returns `(ids, scores)`, both of shape [m, k]: uint64 and float64.

        Args:
            sign: Of the scores: `"paper"`: negative = helpful, without a copy; `"dattri"`: negated,
                positive = helpful, as in dattri, captum, LogIX and kronfluence.

        Raises:
            ValueError: There is no such sign.

        Example:
            >>> ids, scores = run.query(np.ones(run.dimension, np.float32)).numpy()
            >>> ids.dtype, scores.dtype
            (dtype('uint64'), dtype('float64'))
        """
        return self.ids, in_sign(self.scores, sign)

    def to_pandas(self, *, sign: Sign = "paper") -> pd.DataFrame:
        """Returns a data frame with one line per score: [m * k] lines, those of one point together.

        Its columns are `validation_index` (int64, from 0), `sample_id` (uint64) and `score`
        (float64).

        Args:
            sign: Of the scores: `"paper"`: negative = helpful; `"dattri"`: positive = helpful.

        Raises:
            ImportError: pandas is not installed.
            ValueError: There is no such sign.

        Example:
            >>> result = run.query(np.ones(run.dimension, np.float32), top_k=1)
            >>> list(result.to_pandas().columns)
            ['validation_index', 'sample_id', 'score']
        """
        return pandas_table(self._table(sign))

    def to_arrow(self, *, sign: Sign = "paper") -> pa.Table:
        """Returns a table of Arrow with the lines and columns of `to_pandas`.

        Args:
            sign: As for `to_pandas`.

        Raises:
            ImportError: pyarrow is not installed.
            ValueError: There is no such sign.

        Example:
            >>> run.query(np.ones(run.dimension, np.float32)).to_arrow().num_rows
            2
        """
        return arrow_table(self._table(sign))

    def _table(self, sign: Sign) -> dict[str, npt.NDArray[Any]]:
        points, count = self.scores.shape
        return {
            "validation_index": np.repeat(np.arange(points), count),
            "sample_id": self.ids.reshape(-1),
            "score": in_sign(self.scores, sign).reshape(-1),
        }
