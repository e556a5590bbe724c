"""What is asked of a run as a whole: self-influence, comparison of methods, squared norms."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import grpc
import numpy as np
import numpy.typing as npt

from datainf._answer import Values, method_name, seconds, snapshot_of, solver_report
from datainf._arrays import GradientsLike
from datainf._connection import Connection
from datainf._errors import error_of, from_rpc_error
from datainf._proto.v1 import analysis_service_pb2, influence_service_pb2
from datainf._query import id_list, method_value, one_damping, set_method_options, set_source
from datainf._result import Snapshot, SolverReport

_CHUNK_BYTES = 2 << 20

Progress = Callable[[float], None]


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class JobEstimate:
    """What a job will cost.

    Attributes:
        multiplications: How many, about; 0 when the result is there already.
        compute_seconds: How long they may take once begun: a guess from earlier work of the server.
        job_count_ahead: Jobs that wait or run before it.

    Example:
        >>> run.self_influence_cost().job_count_ahead
        0
    """

    multiplications: float
    compute_seconds: float
    job_count_ahead: int


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class SelfInfluence:
    """The influence of samples on themselves, by DataInf.

    Attributes:
        ids: Sample ids, uint64, shape [k].
        values: Score of each sample for itself, float64, shape [k]; at most 0.
        snapshot: What it was computed from.
        estimate: What it was going to cost.
        compute_seconds: What it took; next to nothing when the result was kept.

    Example:
        >>> own = run.self_influence()
        >>> own.ids.tolist(), bool((own.values < 0).all())
        ([10, 11], True)
    """

    ids: npt.NDArray[np.uint64]
    values: npt.NDArray[np.float64]
    snapshot: Snapshot
    estimate: JobEstimate
    compute_seconds: float


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class MethodAgreement:
    """How well the scores s of one method agree with those of the exact solution, e.

    Attributes:
        method: The method, as in `Run.query`.
        pearson: Correlation of scores for each validation point, float64, shape [m]; NaN where s or
            e is constant.
        spearman: Correlation of ranks, shape [m]; ties have their mean rank.
        relative_error: |s - e| / |e|, shape [m].
        compute_seconds: Time of all points together.
        solver: How its solver ended; None for methods that have none.

    Example:
        >>> comparison = run.compare_methods(np.ones(run.dimension))
        >>> agreement = comparison.methods[0]
        >>> agreement.method, agreement.relative_error.shape
        ('datainf', (1,))
    """

    method: str
    pearson: npt.NDArray[np.float64]
    spearman: npt.NDArray[np.float64]
    relative_error: npt.NDArray[np.float64]
    compute_seconds: float
    solver: SolverReport | None


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class BlockGradientNorms:
    """How the norms |g_k| of one block are distributed over the samples; quartiles interpolated.

    Attributes:
        name: The block's name.
        min: Least norm.
        lower_quartile: A quarter of the norms are below.
        median: Half of the norms are below.
        upper_quartile: Three quarters of the norms are below.
        max: Greatest norm.

    Example:
        >>> comparison = run.compare_methods(np.ones(run.dimension))
        >>> round(comparison.block_norms[0].median, 3)
        2.828
    """

    name: str
    min: float
    lower_quartile: float
    median: float
    upper_quartile: float
    max: float


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class MethodComparison:
    """How well methods agree with the exact solution on some validation points.

    Attributes:
        snapshot: What was compared on.
        methods: One entry a method, in the order asked.
        exact_seconds: Time of the exact solution.
        exact_solver: How its solver ended.
        block_norms: One entry a block, in layout order.

    Example:
        >>> comparison = run.compare_methods(np.ones(run.dimension))
        >>> comparison.exact_solver.converged
        True
    """

    snapshot: Snapshot
    methods: tuple[MethodAgreement, ...]
    exact_seconds: float
    exact_solver: SolverReport
    block_norms: tuple[BlockGradientNorms, ...]


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class SquaredNorms:
    """|g_k|^2 of each sample.

    Attributes:
        ids: Sample ids in the order stored, uint64, shape [n].
        values: |g_k|^2 over all blocks, float64, shape [n].
        block_values: The same for each block, shape [L, n]; None unless asked for.
        revision: Revision of the run.

    Example:
        >>> run.squared_norms().values.tolist()
        [14.0, 14.0]
    """

    ids: npt.NDArray[np.uint64]
    values: npt.NDArray[np.float64]
    block_values: npt.NDArray[np.float64] | None
    revision: int


def self_influence_request(
    run_id: str,
    sample_ids: npt.ArrayLike | None,
    damping_scale: float | None,
    damping: npt.ArrayLike | None,
    min_revision: int,
) -> analysis_service_pb2.ComputeSelfInfluenceRequest:
    """Returns the request that the arguments of `Run.self_influence` ask for."""
    request = analysis_service_pb2.ComputeSelfInfluenceRequest(
        run_id=run_id, damping=one_damping(damping_scale, damping), min_revision=min_revision
    )
    if sample_ids is None:
        request.all.SetInParent()
    else:
        request.given.sample_ids.extend(id_list("sample_ids", sample_ids))
    return request


def estimate_self_influence(
    connection: Connection, request: analysis_service_pb2.ComputeSelfInfluenceRequest
) -> JobEstimate:
    """Asks what the request will cost, and for nothing else."""
    request.estimate_only = True
    call = connection.stream(
        connection.analysis.ComputeSelfInfluence, request, connection.options.timeout_seconds
    )
    for response in _responses(call):
        return _estimate(response.estimate)
    raise _cut_short()


def compute_self_influence(
    connection: Connection,
    request: analysis_service_pb2.ComputeSelfInfluenceRequest,
    block_names: tuple[str, ...],
    on_progress: Progress | None,
    timeout_seconds: float | None,
) -> SelfInfluence:
    """Sends the request and returns the answer."""
    call = connection.stream(connection.analysis.ComputeSelfInfluence, request, timeout_seconds)
    values = Values()
    estimate = snapshot = summary = None
    for response in _responses(call):
        part = response.WhichOneof("part")
        if part == "estimate":
            estimate = _estimate(response.estimate)
        elif part == "progress" and on_progress is not None:
            on_progress(response.progress.fraction)
        elif part == "snapshot":
            snapshot = snapshot_of(response.snapshot, 0, block_names)
        elif part == "scores":
            values.add(response.scores)
        elif part == "summary":
            summary = response.summary
    if estimate is None or snapshot is None or summary is None:
        raise _cut_short()
    return SelfInfluence(
        ids=values.ids(),
        values=values.numbers(),
        snapshot=snapshot,
        estimate=estimate,
        compute_seconds=seconds(summary.compute_duration),
    )


def comparison_requests(
    *,
    run_id: str,
    dimension: int,
    gradient: GradientsLike | None,
    sample_ids: npt.ArrayLike | None,
    methods: Sequence[str],
    damping_scale: float | None,
    damping: npt.ArrayLike | None,
    lissa_iterations: int | None,
    lissa_alpha: float | None,
    exact_tolerance: float | None,
    min_revision: int,
    message_bytes: int,
) -> Iterator[analysis_service_pb2.CompareMethodsRequest]:
    """Returns the messages that the arguments of `Run.compare_methods` ask for, checked."""
    spec = analysis_service_pb2.CompareMethodsSpec(
        run_id=run_id,
        methods=[method_value("methods", method) for method in methods],
        damping=one_damping(damping_scale, damping),
        min_revision=min_revision,
    )
    gradients, _ = set_source(spec, dimension, gradient, sample_ids)
    set_method_options(spec, lissa_iterations, lissa_alpha, exact_tolerance)
    return _messages(spec, gradients.reshape(-1), min(message_bytes, _CHUNK_BYTES))


def compare_methods(
    connection: Connection,
    requests: Iterator[analysis_service_pb2.CompareMethodsRequest],
    block_names: tuple[str, ...],
    on_progress: Progress | None,
    timeout_seconds: float | None,
) -> MethodComparison:
    """Sends the messages and returns the answer."""
    call = connection.stream(connection.analysis.CompareMethods, requests, timeout_seconds)
    comparison = None
    for response in _responses(call):
        if response.WhichOneof("part") == "comparison":
            comparison = response.comparison
        elif on_progress is not None:
            on_progress(response.progress.fraction)
    if comparison is None:
        raise _cut_short()
    return MethodComparison(
        snapshot=snapshot_of(comparison.snapshot, 0, block_names),
        methods=tuple(_agreement(method) for method in comparison.methods),
        exact_seconds=seconds(comparison.exact_duration),
        exact_solver=solver_report(comparison.exact_report),
        block_norms=tuple(
            BlockGradientNorms(
                name=norms.name,
                min=norms.min,
                lower_quartile=norms.lower_quartile,
                median=norms.median,
                upper_quartile=norms.upper_quartile,
                max=norms.max,
            )
            for norms in comparison.block_norms
        ),
    )


def squared_norms(
    connection: Connection, run_id: str, per_block: bool, min_revision: int, block_count: int
) -> SquaredNorms:
    """Asks for squared norms."""
    request = analysis_service_pb2.GetSquaredNormsRequest(
        run_id=run_id, per_block=per_block, min_revision=min_revision
    )
    call = connection.stream(
        connection.analysis.GetSquaredNorms, request, connection.options.query_timeout_seconds
    )
    totals = Values()
    blocks = [Values() for _ in range(block_count)]
    revision = None
    for response in _responses(call):
        if response.WhichOneof("part") == "header":
            revision = response.header.revision
            continue
        chunk: influence_service_pb2.ScoreChunk = response.squared_norms
        (blocks[chunk.block_index] if chunk.HasField("block_index") else totals).add(chunk)
    if revision is None:
        raise _cut_short()
    return SquaredNorms(
        ids=totals.ids(),
        values=totals.numbers(),
        block_values=np.stack([block.numbers() for block in blocks]) if per_block else None,
        revision=revision,
    )


def _messages(
    spec: analysis_service_pb2.CompareMethodsSpec, elements: npt.NDArray[Any], message_bytes: int
) -> Iterator[analysis_service_pb2.CompareMethodsRequest]:
    yield analysis_service_pb2.CompareMethodsRequest(spec=spec)
    length = max((message_bytes - 64) // elements.itemsize, 1)
    for offset in range(0, elements.size, length):
        chunk = influence_service_pb2.GradientChunk(
            element_offset=offset, gradients=elements[offset : offset + length].tobytes()
        )
        yield analysis_service_pb2.CompareMethodsRequest(chunk=chunk)


def _responses(call: Any) -> Iterator[Any]:
    try:
        yield from call
    except grpc.RpcError as error:
        raise from_rpc_error(error) from None
    finally:
        call.cancel()  # nothing, if it has ended; else the server need not go on


def _estimate(estimate: analysis_service_pb2.Estimate) -> JobEstimate:
    return JobEstimate(
        multiplications=estimate.multiplications,
        compute_seconds=seconds(estimate.compute_duration),
        job_count_ahead=estimate.job_count_ahead,
    )


def _agreement(method: analysis_service_pb2.MethodAgreement) -> MethodAgreement:
    return MethodAgreement(
        method=method_name(method.method),
        pearson=np.array([point.pearson for point in method.points]),
        spearman=np.array([point.spearman for point in method.points]),
        relative_error=np.array([point.relative_error for point in method.points]),
        compute_seconds=seconds(method.compute_duration),
        solver=solver_report(method.report) if method.HasField("report") else None,
    )


def _cut_short() -> Exception:
    return error_of(grpc.StatusCode.INTERNAL, "the answer ended before its last message")
