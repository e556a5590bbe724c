"""Studies: how methods, damping and rank change the scores."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from datainf._analysis import MethodAgreement, MethodComparison
from datainf._arrays import GradientsLike
from datainf._query import Method
from datainf._questions.by_id import ById, flags_of
from datainf._questions.detection import Detection, detection, require_both_kinds
from datainf._questions.points import rows
from datainf._questions.result import read_only
from datainf._questions.study import Study, StudyRow
from datainf._result import QueryResult
from datainf._run import Run

METHODS: tuple[Method, ...] = ("datainf", "hessian_free", "lissa")
SCALES = (0.001, 0.01, 0.1, 1.0, 10.0)

Progress = Callable[[float], None]


def compare_methods(
    run: Run,
    validation: GradientsLike,
    *,
    methods: Sequence[Method] = METHODS,
    damping_scale: float | None = None,
    flipped: ById | None = None,
    seed: int = 0,
    on_progress: Progress | None = None,
) -> Study:
    """Returns how well methods agree with the exact solution, and what each takes, as a result.

    The same figures as `Run.compare_methods`, which has more options, with a table, a chart and a
    page. For scores s of a method and e of the exact solution: Pearson's and Spearman's
    correlation, and |s - e| / |e|, for each validation point.

    Args:
        run: The run.
        validation: Gradients of the loss of validation points, floats, shape [m, D] or [D].
        methods: What to compare with `"exact"`.
        damping_scale: c instead of the run's.
        flipped: Whether the label of each training sample is known to be wrong, by id, as for
            `mislabeled`: then each row has the AUC with which the mean of the points finds them.
        seed: Of the bootstrap.
        on_progress: Called with the share of the work done, 0 to 1.

    Raises:
        TypeError: A dtype is wrong.
        ValueError: A value is out of range, or missing for a sample.
        FailedPreconditionError: The run holds no samples.
        ResourceExhaustedError: The exact solution needs more memory than the server allows.
        DataInfError: Other errors of `Run.compare_methods`.

    Example:
        >>> study = datainf.compare_methods(run, np.ones(run.dimension), methods=["datainf"])
        >>> [row.method for row in study.rows]
        ['datainf', 'exact']
    """
    gradients = rows("validation", validation, run.dimension)
    scale = run.damping_scale if damping_scale is None else damping_scale
    study = _Measured(run, gradients, methods, flipped, seed)
    return Study(parameter="method", rows=study.rows(scale, None, on_progress))


def damping_study(
    run: Run,
    validation: GradientsLike,
    *,
    damping_scales: Sequence[float] = SCALES,
    methods: Sequence[Method] = METHODS,
    exact: bool = True,
    flipped: ById | None = None,
    seed: int = 0,
    on_progress: Progress | None = None,
) -> Study:
    """Returns what the damping scale c of lambda_l = c / (n d_l) sum_i |g_{i,l}|^2 changes.

    For each c and method: agreement with the exact solution at the same c, and Spearman's
    correlation with the method's own scores at the run's c: where that is near 1, the choice of c
    does not matter to the ranking.

    Args:
        run: The run.
        validation: Gradients of the loss of validation points, floats, shape [m, D] or [D].
        damping_scales: The c, more than 0 each.
        methods: What to study. Hessian-free scores do not depend on c, the exact ones do.
        exact: Whether to solve exactly, once for each c, which can take long.
        flipped: As for `compare_methods`.
        seed: Of the bootstrap.
        on_progress: Called with the share of the work done, 0 to 1.

    Raises:
        TypeError: A dtype is wrong.
        ValueError: A value is out of range, or missing for a sample.
        FailedPreconditionError: The run holds no samples.
        ResourceExhaustedError: The exact solution needs more memory than the server allows.
        DataInfError: Other errors of `Run.compare_methods` and `Run.query`.

    Example:
        >>> study = datainf.damping_study(
        ...     run, np.ones(run.dimension), damping_scales=[0.1, 1], methods=["datainf"]
        ... )
        >>> [(row.value, row.method) for row in study.rows]
        [(0.1, 'datainf'), (0.1, 'exact'), (1.0, 'datainf'), (1.0, 'exact')]
    """
    scales = [float(scale) for scale in damping_scales]
    if not scales:
        raise ValueError("damping_scales is empty, expected at least 1 scale")
    gradients = rows("validation", validation, run.dimension)
    study = _Measured(run, gradients, methods, flipped, seed)
    own = {method: study.scores(method, run.damping_scale) for method in methods}
    found: list[StudyRow] = []
    for at, scale in enumerate(scales):
        part = _part(on_progress, at, len(scales))
        found += study.rows(scale, own, part, value=scale, exact=exact)
    return Study(parameter="damping_scale", rows=tuple(found))


def rank_study(
    runs: Mapping[int, tuple[Run, GradientsLike]],
    *,
    methods: Sequence[Method] = METHODS,
    exact: bool = True,
    flipped: ById | None = None,
    seed: int = 0,
    on_progress: Progress | None = None,
) -> Study:
    """Returns how error and time grow with the LoRA rank: the paper's approximation error.

    The paper bounds DataInf's error by O(d_l^2), so it should grow with the rank.

    Args:
        runs: By rank, at least 1: the run that holds the gradients of a model of this rank, and
            gradients of the loss of validation points for it, shape [m, D].
        methods: What to compare with `"exact"`.
        exact: Whether to solve exactly, once for each run, which can take long.
        flipped: As for `compare_methods`; the runs have the same sample ids.
        seed: Of the bootstrap.
        on_progress: Called with the share of the work done, 0 to 1.

    Raises:
        TypeError: A dtype is wrong.
        ValueError: A value is out of range, or missing for a sample.
        FailedPreconditionError: A run holds no samples.
        ResourceExhaustedError: The exact solution needs more memory than the server allows.
        DataInfError: Other errors of `Run.compare_methods` and `Run.query`.

    Example:
        >>> study = datainf.rank_study({1: (run, np.ones(run.dimension))}, methods=["datainf"])
        >>> [(row.value, row.method, row.dimension) for row in study.rows]
        [(1, 'datainf', 14), (1, 'exact', 14)]
    """
    if not runs:
        raise ValueError("runs is empty, expected at least 1 run")
    found: list[StudyRow] = []
    for at, (rank, (run, validation)) in enumerate(sorted(runs.items())):
        gradients = rows(f"runs[{rank}][1]", validation, run.dimension)
        study = _Measured(run, gradients, methods, flipped, seed)
        part = _part(on_progress, at, len(runs))
        found += study.rows(run.damping_scale, None, part, value=rank, exact=exact)
    return Study(parameter="rank", rows=tuple(found))


class _Measured:
    """Measures methods on one run."""

    def __init__(
        self,
        run: Run,
        gradients: npt.NDArray[np.float32],
        methods: Sequence[Method],
        flipped: ById | None,
        seed: int,
    ) -> None:
        if not methods:
            raise ValueError("methods is empty, expected at least 1 method")
        self._run = run
        self._gradients = gradients
        self._methods = methods
        self._flipped = flipped
        self._seed = seed

    def scores(self, method: Method, damping_scale: float) -> QueryResult:
        """Returns the scores of a method."""
        return self._run.query(self._gradients, method=method, damping_scale=damping_scale)

    def rows(
        self,
        damping_scale: float,
        own: Mapping[Method, QueryResult] | None,
        on_progress: Progress | None,
        *,
        value: float | int | None = None,
        exact: bool = True,
    ) -> tuple[StudyRow, ...]:
        """Returns a row for each method, and one for the exact solution if it is computed.

        Args:
            damping_scale: c.
            own: Scores at the run's own c, to compare with.
            on_progress: Told the share of the comparison done.
            value: Value of the study's parameter; None: the method.
            exact: Whether to compare with the exact solution.
        """
        if not exact:
            return tuple(self._row(m, value, damping_scale, None, own) for m in self._methods)
        comparison = self._run.compare_methods(
            self._gradients,
            methods=self._methods,
            damping_scale=damping_scale,
            on_progress=on_progress,
        )
        methods = dict.fromkeys([*self._methods, "exact"])
        return tuple(self._row(m, value, damping_scale, comparison, own) for m in methods)

    def _row(
        self,
        method: Method,
        value: float | int | None,
        damping_scale: float,
        comparison: MethodComparison | None,
        own: Mapping[Method, QueryResult] | None,
    ) -> StudyRow:
        result = None
        if comparison is None or own is not None or self._flipped is not None:
            result = self.scores(method, damping_scale)
        agreement = None
        if comparison is not None:
            agreement = next((each for each in comparison.methods if each.method == method), None)
        unknown = np.full(len(self._gradients), np.nan)
        to_own = None
        if result is not None and own is not None and method in own:
            to_own = read_only(_spearman(result, own[method]))
        return StudyRow(
            value=method if value is None else value,
            run_id=self._run.run_id,
            method=method,
            dimension=self._run.dimension,
            pearson=read_only(unknown if agreement is None else agreement.pearson),
            spearman=read_only(unknown if agreement is None else agreement.spearman),
            relative_error=read_only(unknown if agreement is None else agreement.relative_error),
            spearman_to_own=to_own,
            compute_seconds=_seconds(agreement, comparison, result),
            detection=None if result is None else self._detection(result, method),
        )

    def _detection(self, result: QueryResult, method: str) -> Detection | None:
        if self._flipped is None:
            return None
        flags = flags_of("flipped", self._flipped, result.ids[0])
        require_both_kinds("flipped", flags)
        # Scores are linear in v: this is the score for the mean of the points.
        return detection(method, result.scores.mean(axis=0), flags, seed=self._seed)


def _seconds(
    agreement: MethodAgreement | None,
    comparison: MethodComparison | None,
    result: QueryResult | None,
) -> float:
    if agreement is not None:
        return agreement.compute_seconds
    if comparison is not None:
        return comparison.exact_seconds
    return float("nan") if result is None else result.summary.compute_seconds


def _part(on_progress: Progress | None, at: int, count: int) -> Progress | None:
    """Returns what to tell of one of several pieces of work."""
    if on_progress is None:
        return None
    return lambda share: on_progress((at + share) / count)


def _spearman(result: QueryResult, other: QueryResult) -> npt.NDArray[np.float64]:
    """Returns the correlation of ranks of each validation point, [m], over samples of both."""
    _, here, there = np.intersect1d(result.ids[0], other.ids[0], return_indices=True)
    pairs = zip(result.scores[:, here], other.scores[:, there], strict=True)
    with np.errstate(invalid="ignore", divide="ignore"):  # NaN where all ranks are equal
        return np.array([np.corrcoef(_mean_ranks(a), _mean_ranks(b))[0, 1] for a, b in pairs])


def _mean_ranks(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Returns ranks, [n]; equal values share the mean of theirs."""
    _, group, sizes = np.unique(values, return_inverse=True, return_counts=True)
    ranks: npt.NDArray[np.float64] = (np.cumsum(sizes) - (sizes - 1) / 2.0)[group]
    return ranks
