"""Asks for influence scores: builds the request, sends it as fits, joins the answer."""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Iterable, Iterator
from typing import Any, Literal

import grpc
import numpy as np
import numpy.typing as npt
from google.protobuf import duration_pb2

from datainf._connection import Connection
from datainf._encoding import dtype_name, element_type, encode, natural_dtype, sample_id_array
from datainf._errors import error_of, from_rpc_error, from_status
from datainf._proto.v1 import influence_service_pb2
from datainf._result import QueryResult, QuerySummary, Snapshot

Method = Literal["datainf", "hessian_free", "lissa", "lissa_reference", "exact"]
Aggregation = Literal["each", "mean"]
Ranking = Literal["most_harmful", "most_helpful", "absolute"]
Normalization = Literal["raw", "cosine", "relatif"]

_METHODS = {
    "datainf": influence_service_pb2.INFLUENCE_METHOD_DATAINF,
    "hessian_free": influence_service_pb2.INFLUENCE_METHOD_HESSIAN_FREE,
    "lissa": influence_service_pb2.INFLUENCE_METHOD_LISSA,
    "lissa_reference": influence_service_pb2.INFLUENCE_METHOD_LISSA_REFERENCE,
    "exact": influence_service_pb2.INFLUENCE_METHOD_EXACT,
}
_AGGREGATIONS = {
    "each": influence_service_pb2.AGGREGATION_EACH,
    "mean": influence_service_pb2.AGGREGATION_MEAN,
}
_RANKINGS = {
    "most_harmful": influence_service_pb2.RANKING_MOST_HARMFUL,
    "most_helpful": influence_service_pb2.RANKING_MOST_HELPFUL,
    "absolute": influence_service_pb2.RANKING_ABSOLUTE,
}
_NORMALIZATIONS = {
    "raw": influence_service_pb2.NORMALIZATION_RAW,
    "cosine": influence_service_pb2.NORMALIZATION_COSINE,
    "relatif": influence_service_pb2.NORMALIZATION_RELATIF,
}

METHOD_NAMES = tuple(_METHODS)
RANKING_NAMES = tuple(_RANKINGS)

# A chunk of gradients on QueryStream.
_CHUNK_BYTES = 2 << 20


@dataclasses.dataclass(slots=True)
class Query:
    """A query ready to be sent.

    Attributes:
        spec: What is asked.
        gradients: Validation gradients as they go on the wire, [m, D]; empty for stored samples.
        point_count: Validation points of the answer, m.
        block_names: Names of the run's blocks, in order.
    """

    spec: influence_service_pb2.QuerySpec
    gradients: npt.NDArray[Any]
    point_count: int
    block_names: tuple[str, ...]


def build(
    *,
    run_id: str,
    dimension: int,
    block_names: tuple[str, ...],
    gradient: npt.ArrayLike | None,
    sample_ids: npt.ArrayLike | None,
    method: str,
    aggregation: str,
    damping_scale: float | None,
    damping: npt.ArrayLike | None,
    top_k: int | None,
    ranking: str,
    ids: npt.ArrayLike | None,
    per_block: bool,
    normalization: str,
    min_revision: int,
    reproducible: bool,
) -> Query:
    """Returns the query that the arguments of `Run.query` ask for.

    Raises:
        TypeError: A dtype is wrong.
        ValueError: A value is out of range, or two exclude each other.
    """
    spec = influence_service_pb2.QuerySpec(
        run_id=run_id,
        method=_value("method", method, _METHODS),
        aggregation=_value("aggregation", aggregation, _AGGREGATIONS),
        normalization=_value("normalization", normalization, _NORMALIZATIONS),
        per_block=per_block,
        min_revision=min_revision,
        reproducible=reproducible,
    )
    gradients: npt.NDArray[Any] = np.empty((0, dimension), np.float32)
    if (gradient is None) == (sample_ids is None):
        raise ValueError("expected either gradient or sample_ids")
    if gradient is not None:
        array = np.asarray(gradient)
        dtype = natural_dtype(array)
        gradients = encode("gradient", array, dtype, dimension)
        point_count = len(gradients)
        spec.validation_gradients.count = point_count
        spec.validation_gradients.element_type = element_type(dtype)
    else:
        sources = _id_list("sample_ids", sample_ids)
        point_count = len(sources)
        spec.stored_samples.sample_ids.extend(sources)
    if point_count == 0:
        raise ValueError("gradient has no rows, expected at least 1 validation point")
    _set_damping(spec, damping_scale, damping)
    _set_selection(spec, top_k, ranking, ids)
    return Query(spec, gradients, 1 if aggregation == "mean" else point_count, block_names)


def ask(connection: Connection, query: Query, timeout_seconds: float) -> QueryResult:
    """Sends the query, as one message if it fits, and returns the answer.

    Raises:
        DataInfError: It failed.
    """
    limit = connection.capabilities().max_message_bytes
    # Room for tags and lengths around spec and gradients.
    size = query.spec.ByteSize() + query.gradients.nbytes + 64
    if size <= limit:
        request = influence_service_pb2.QueryRequest(
            spec=query.spec, gradients=query.gradients.tobytes()
        )
        call = connection.stream(connection.influence.Query, request, timeout_seconds)
    else:
        requests = stream_requests(query, min(limit, _CHUNK_BYTES))
        call = connection.stream(connection.influence.QueryStream, requests, timeout_seconds)
    try:
        return _Answer(query).read(call)
    except grpc.RpcError as error:
        raise from_rpc_error(error) from None
    finally:
        call.cancel()  # nothing, if it has ended; else the server need not go on


def stream_requests(
    query: Query, message_bytes: int
) -> Iterator[influence_service_pb2.QueryStreamRequest]:
    """Yields the messages of QueryStream: the spec, then chunks of whole elements."""
    query_id = "query"  # the only one on its stream
    yield influence_service_pb2.QueryStreamRequest(query_id=query_id, spec=query.spec)
    elements = query.gradients.reshape(-1)
    length = max((message_bytes - 64) // elements.itemsize, 1)
    for offset in range(0, elements.size, length):
        chunk = influence_service_pb2.GradientChunk(
            element_offset=offset, gradients=elements[offset : offset + length].tobytes()
        )
        yield influence_service_pb2.QueryStreamRequest(query_id=query_id, chunk=chunk)


class _Answer:
    """Collects the messages of one answer."""

    def __init__(self, query: Query) -> None:
        self._query = query
        self._snapshot: influence_service_pb2.Snapshot | None = None
        self._summary: influence_service_pb2.Summary | None = None
        # By (block or None, validation point), in order of arrival.
        self._scores: dict[tuple[int | None, int], list[bytes]] = collections.defaultdict(list)
        self._ids: dict[int, list[bytes]] = collections.defaultdict(list)

    def read(self, responses: Iterable[Any]) -> QueryResult:
        """Returns the result; `responses` are QueryResponse or QueryStreamResponse messages."""
        for response in responses:
            part = response.WhichOneof("part")
            if part == "error":
                raise from_status(response.error)
            if part == "snapshot":
                self._snapshot = response.snapshot
            elif part == "scores":
                self._take(response.scores)
            elif part == "summary":
                self._summary = response.summary
        if self._snapshot is None or self._summary is None:
            raise error_of(grpc.StatusCode.INTERNAL, "the answer ended before its summary")
        return self._result(self._snapshot, self._summary)

    def _take(self, chunk: influence_service_pb2.ScoreChunk) -> None:
        block = chunk.block_index if chunk.HasField("block_index") else None
        self._scores[block, chunk.query_index].append(chunk.scores)
        if block is None:
            self._ids[chunk.query_index].append(chunk.sample_ids)

    def _result(
        self,
        snapshot: influence_service_pb2.Snapshot,
        summary: influence_service_pb2.Summary,
    ) -> QueryResult:
        points = range(self._query.point_count)
        scores = [self._row(None, point) for point in points]
        ids = [np.frombuffer(b"".join(self._ids[point]), "<u8") for point in points]
        if any(len(row) != len(scores[0]) for row in [*scores, *ids]):
            raise error_of(grpc.StatusCode.INTERNAL, "the answer has rows of unequal length")
        has_own_ids = self._query.spec.selection.HasField("top")
        all_ids = np.stack(ids) if has_own_ids else np.broadcast_to(ids[0], (len(ids), len(ids[0])))
        all_ids.flags.writeable = False
        names = self._query.block_names
        block_scores = None
        if self._query.spec.per_block:
            block_scores = np.zeros((len(names), len(points), len(scores[0])))
            for block, point in self._scores:
                if block is not None:
                    block_scores[block, point] = self._row(block, point)
        dampings = snapshot.dampings[0]
        return QueryResult(
            ids=all_ids,
            scores=np.stack(scores),
            block_scores=block_scores,
            snapshot=Snapshot(
                sample_count=snapshot.sample_count,
                revision=snapshot.revision,
                damping=np.array(dampings.values, np.float64),
                skipped_blocks=tuple(names[block] for block in dampings.skipped_blocks),
                method=_name(snapshot.method, _METHODS),
                stored_dtype=dtype_name(snapshot.stored_element_type),
                engine=snapshot.engine,
            ),
            summary=QuerySummary(
                queue_seconds=_seconds(summary.queue_duration),
                compute_seconds=_seconds(summary.compute_duration),
                respond_seconds=_seconds(summary.respond_duration),
                relative_error_bound=(
                    summary.relative_error_bound
                    if summary.HasField("relative_error_bound")
                    else None
                ),
                recomputed_in_double=summary.recomputed_in_double,
            ),
        )

    def _row(self, block: int | None, point: int) -> npt.NDArray[np.float64]:
        return np.frombuffer(b"".join(self._scores[block, point]), "<f8")


def _set_damping(
    spec: influence_service_pb2.QuerySpec, scale: float | None, damping: npt.ArrayLike | None
) -> None:
    if scale is not None and damping is not None:
        raise ValueError("expected at most one of damping_scale and damping")
    if scale is not None:
        spec.dampings.add().scale = scale
    elif damping is not None:
        values = np.atleast_1d(np.asarray(damping, np.float64))
        spec.dampings.add().fixed.values.extend(values.tolist())


def _set_selection(
    spec: influence_service_pb2.QuerySpec,
    top_k: int | None,
    ranking: str,
    ids: npt.ArrayLike | None,
) -> None:
    rank = _value("ranking", ranking, _RANKINGS)
    if top_k is not None and ids is not None:
        raise ValueError("expected at most one of top_k and ids")
    if top_k is not None:
        if top_k < 1:
            raise ValueError(f"top_k is {top_k}, expected at least 1")
        spec.selection.top.count = top_k
        spec.selection.top.ranking = rank
    elif ids is not None:
        spec.selection.given.sample_ids.extend(_id_list("ids", ids))
    else:
        spec.selection.all.SetInParent()


def _id_list(name: str, ids: npt.ArrayLike | None) -> list[int]:
    return [] if ids is None else sample_id_array(name, ids).tolist()


def _value(name: str, value: str, values: dict[str, Any]) -> Any:
    if value not in values:
        raise ValueError(f"{name} is {value!r}, expected one of {', '.join(map(repr, values))}")
    return values[value]


def _name(value: int, values: dict[str, Any]) -> str:
    return next((name for name, number in values.items() if number == value), str(value))


def _seconds(duration: duration_pb2.Duration) -> float:
    return duration.seconds + duration.nanos * 1e-9
