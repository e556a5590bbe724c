"""Joins the messages of an answer."""

from __future__ import annotations

import collections
from collections.abc import Callable, Iterable
from typing import Any

import grpc
import numpy as np
import numpy.typing as npt
from google.protobuf import duration_pb2

from datainf._encoding import dtype_name
from datainf._errors import error_of, from_status
from datainf._proto.v1 import influence_service_pb2
from datainf._result import QueryResult, QuerySummary, Snapshot, SolverReport

METHODS = {
    "datainf": influence_service_pb2.INFLUENCE_METHOD_DATAINF,
    "hessian_free": influence_service_pb2.INFLUENCE_METHOD_HESSIAN_FREE,
    "lissa": influence_service_pb2.INFLUENCE_METHOD_LISSA,
    "lissa_reference": influence_service_pb2.INFLUENCE_METHOD_LISSA_REFERENCE,
    "exact": influence_service_pb2.INFLUENCE_METHOD_EXACT,
}


class Values:
    """Collects chunks of one series: ids and numbers of samples."""

    def __init__(self) -> None:
        self._ids: list[bytes] = []
        self._numbers: list[bytes] = []

    def add(self, chunk: influence_service_pb2.ScoreChunk) -> None:
        """Goes on with a chunk."""
        self._ids.append(chunk.sample_ids)
        self._numbers.append(chunk.scores)

    def ids(self) -> npt.NDArray[np.uint64]:
        """Returns the sample ids, [k]."""
        return np.frombuffer(b"".join(self._ids), "<u8")

    def numbers(self) -> npt.NDArray[np.float64]:
        """Returns their numbers, [k].

        Raises:
            DataInfError: There are not as many as there are ids.
        """
        numbers = np.frombuffer(b"".join(self._numbers), "<f8")
        if len(numbers) != len(self.ids()):
            raise error_of(grpc.StatusCode.INTERNAL, "the answer has rows of unequal length")
        return numbers


class Answer:
    """Collects the messages of the answer to a query.

    Args:
        block_names: Names of the run's blocks.
        point_count: Rows of scores to expect.
        has_own_ids: Each row has other samples.
        per_block: Terms of blocks come too.
        on_progress: Told the share of the work done.
    """

    def __init__(
        self,
        *,
        block_names: tuple[str, ...],
        point_count: int,
        has_own_ids: bool = False,
        per_block: bool = False,
        on_progress: Callable[[float], None] | None = None,
    ) -> None:
        self._block_names = block_names
        self._points = range(point_count)
        self._has_own_ids = has_own_ids
        self._per_block = per_block
        self._on_progress = on_progress
        self._snapshot: influence_service_pb2.Snapshot | None = None
        self._summary: influence_service_pb2.Summary | None = None
        # By damping, block or None for their sum, and validation point.
        self._values: dict[tuple[int, int | None, int], Values] = collections.defaultdict(Values)

    def read(self, responses: Iterable[Any]) -> QueryResult:
        """Returns the result; `responses` are QueryResponse or QueryStreamResponse messages."""
        for response in responses:
            part = response.WhichOneof("part")
            if part == "error":
                raise from_status(response.error)
            if part == "snapshot":
                self._snapshot = response.snapshot
            elif part == "scores":
                chunk = response.scores
                block = chunk.block_index if chunk.HasField("block_index") else None
                self._values[chunk.damping_index, block, chunk.query_index].add(chunk)
            elif part == "progress" and self._on_progress is not None:
                self._on_progress(response.progress.fraction)
            elif part == "summary":
                self._summary = response.summary
        if self._snapshot is None or self._summary is None:
            raise error_of(grpc.StatusCode.INTERNAL, "the answer ended before its summary")
        results = [
            self._result(damping, self._snapshot, self._summary)
            for damping in range(len(self._snapshot.dampings))
        ]
        first, *further = results
        if not further:
            return first
        return QueryResult(
            ids=first.ids,
            scores=first.scores,
            block_scores=first.block_scores,
            snapshot=first.snapshot,
            summary=first.summary,
            solver=first.solver,
            further=tuple(further),
        )

    def _result(
        self,
        damping: int,
        snapshot: influence_service_pb2.Snapshot,
        summary: influence_service_pb2.Summary,
    ) -> QueryResult:
        rows = [self._values[damping, None, point] for point in self._points]
        scores = [row.numbers() for row in rows]
        ids = [row.ids() for row in rows]
        if any(len(row) != len(scores[0]) for row in scores):
            raise error_of(grpc.StatusCode.INTERNAL, "the answer has rows of unequal length")
        shape = (len(rows), len(scores[0]))
        all_ids = np.stack(ids) if self._has_own_ids else np.broadcast_to(ids[0], shape)
        all_ids.flags.writeable = False
        block_scores = None
        if self._per_block:
            block_scores = np.zeros((len(self._block_names), *shape))
            for (at, block, point), values in self._values.items():
                if block is not None and at == damping:
                    block_scores[block, point] = values.numbers()
        reports = summary.solver_reports
        return QueryResult(
            ids=all_ids,
            scores=np.stack(scores),
            block_scores=block_scores,
            snapshot=snapshot_of(snapshot, damping, self._block_names),
            summary=_summary(summary),
            solver=solver_report(reports[damping]) if reports else None,
        )


def snapshot_of(
    snapshot: influence_service_pb2.Snapshot, damping: int, block_names: tuple[str, ...]
) -> Snapshot:
    """Returns what one damping of an answer was computed from."""
    dampings = snapshot.dampings[damping]
    return Snapshot(
        sample_count=snapshot.sample_count,
        revision=snapshot.revision,
        damping=np.array(dampings.values, np.float64),
        skipped_blocks=tuple(block_names[block] for block in dampings.skipped_blocks),
        method=method_name(snapshot.method),
        stored_dtype=dtype_name(snapshot.stored_element_type),
        engine=snapshot.engine,
    )


def solver_report(report: influence_service_pb2.SolverReport) -> SolverReport:
    """Returns how a solver ended."""
    return SolverReport(
        converged=report.converged,
        iterations=report.iterations,
        relative_residual=report.relative_residual,
        solver=report.solver,
    )


def method_name(value: int) -> str:
    """Returns our name of a method, its number if it is of a later protocol."""
    return next((name for name, number in METHODS.items() if number == value), str(value))


def seconds(duration: duration_pb2.Duration) -> float:
    """Returns a duration in seconds."""
    return duration.seconds + duration.nanos * 1e-9


def _summary(summary: influence_service_pb2.Summary) -> QuerySummary:
    has_bound = summary.HasField("relative_error_bound")
    return QuerySummary(
        queue_seconds=seconds(summary.queue_duration),
        compute_seconds=seconds(summary.compute_duration),
        respond_seconds=seconds(summary.respond_duration),
        relative_error_bound=summary.relative_error_bound if has_bound else None,
        recomputed_in_double=summary.recomputed_in_double,
        batch_query_count=summary.batch_query_count,
    )
