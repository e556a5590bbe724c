"""Asks for influence scores: builds the request, sends it as fits, joins the answer."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Literal

import grpc
import numpy as np
import numpy.typing as npt

from datainf._answer import METHODS, Answer
from datainf._arrays import GradientsLike, as_floats
from datainf._connection import Connection
from datainf._encoding import element_type, encode, natural_dtype, sample_id_list
from datainf._errors import from_rpc_error
from datainf._proto.v1 import influence_service_pb2
from datainf._result import QueryResult

Method = Literal["datainf", "hessian_free", "lissa", "lissa_reference", "exact"]
Aggregation = Literal["each", "mean"]
Ranking = Literal["most_harmful", "most_helpful", "absolute"]
Normalization = Literal["raw", "cosine", "relatif"]

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

METHOD_NAMES = tuple(METHODS)
RANKING_NAMES = tuple(_RANKINGS)
NORMALIZATION_NAMES = tuple(_NORMALIZATIONS)

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
    gradient: GradientsLike | None,
    sample_ids: npt.ArrayLike | None,
    method: str,
    aggregation: str,
    damping_scale: float | None,
    damping_scales: Iterable[float] | None,
    damping: npt.ArrayLike | None,
    lissa_iterations: int | None,
    lissa_alpha: float | None,
    exact_tolerance: float | None,
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
        method=_value("method", method, METHODS),
        aggregation=_value("aggregation", aggregation, _AGGREGATIONS),
        normalization=_value("normalization", normalization, _NORMALIZATIONS),
        per_block=per_block,
        min_revision=min_revision,
        reproducible=reproducible,
    )
    is_lissa = method in ("lissa", "lissa_reference")
    if not is_lissa and (lissa_iterations is not None or lissa_alpha is not None):
        raise ValueError(f"lissa_iterations and lissa_alpha do not go with method {method!r}")
    if method != "exact" and exact_tolerance is not None:
        raise ValueError(f"exact_tolerance does not go with method {method!r}")
    gradients, point_count = set_source(spec, dimension, gradient, sample_ids)
    set_method_options(spec, lissa_iterations, lissa_alpha, exact_tolerance)
    spec.dampings.extend(_dampings(damping_scale, damping_scales, damping))
    _set_selection(spec, top_k, ranking, ids)
    return Query(spec, gradients, 1 if aggregation == "mean" else point_count, block_names)


def ask(
    connection: Connection,
    query: Query,
    timeout_seconds: float,
    on_progress: Callable[[float], None] | None = None,
) -> QueryResult:
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
        return Answer(
            block_names=query.block_names,
            point_count=query.point_count,
            has_own_ids=query.spec.selection.HasField("top"),
            per_block=query.spec.per_block,
            on_progress=on_progress,
        ).read(call)
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


def set_source(
    spec: Any, dimension: int, gradient: GradientsLike | None, sample_ids: npt.ArrayLike | None
) -> tuple[npt.NDArray[Any], int]:
    """Sets the source of a spec that has one.

    Returns:
        Validation gradients as they go on the wire, [m, D] or empty, and the number of points, m.
    """
    if (gradient is None) == (sample_ids is None):
        raise ValueError("expected either gradient or sample_ids")
    if gradient is None:
        sources = id_list("sample_ids", sample_ids)
        spec.stored_samples.sample_ids.extend(sources)
        return np.empty((0, dimension), np.float32), len(sources)
    floats = as_floats("gradient", gradient)
    dtype = natural_dtype(floats)
    gradients = encode("gradient", floats, dtype, dimension)
    if len(gradients) == 0:
        raise ValueError("gradient has no rows, expected at least 1 validation point")
    spec.validation_gradients.count = len(gradients)
    spec.validation_gradients.element_type = element_type(dtype)
    return gradients, len(gradients)


def set_method_options(
    spec: Any,
    lissa_iterations: int | None,
    lissa_alpha: float | None,
    exact_tolerance: float | None,
) -> None:
    """Sets the options of methods that are given."""
    if lissa_iterations is not None:
        spec.lissa.iterations = lissa_iterations
    if lissa_alpha is not None:
        spec.lissa.alpha = lissa_alpha
    if exact_tolerance is not None:
        spec.exact.tolerance = exact_tolerance


def one_damping(
    scale: float | None, damping: npt.ArrayLike | None
) -> influence_service_pb2.Damping | None:
    """Returns the damping that the arguments name, None if they name none."""
    if scale is not None and damping is not None:
        raise ValueError("expected at most one of damping_scale and damping")
    if scale is not None:
        return influence_service_pb2.Damping(scale=scale)
    if damping is None:
        return None
    values = np.atleast_1d(np.asarray(damping, np.float64))
    fixed = influence_service_pb2.FixedDamping(values=values.tolist())
    return influence_service_pb2.Damping(fixed=fixed)


def _dampings(
    scale: float | None, scales: Iterable[float] | None, damping: npt.ArrayLike | None
) -> list[influence_service_pb2.Damping]:
    if scales is None:
        one = one_damping(scale, damping)
        return [] if one is None else [one]
    if scale is not None or damping is not None:
        raise ValueError("expected at most one of damping_scale, damping_scales and damping")
    dampings = [influence_service_pb2.Damping(scale=each) for each in scales]
    if not dampings:
        raise ValueError("damping_scales is empty, expected at least 1 scale")
    return dampings


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
        spec.selection.given.sample_ids.extend(id_list("ids", ids))
    else:
        spec.selection.all.SetInParent()


def id_list(name: str, ids: npt.ArrayLike | None) -> list[int]:
    """Returns checked sample ids."""
    return [] if ids is None else sample_id_list(name, ids)


def method_value(name: str, method: str) -> influence_service_pb2.InfluenceMethod:
    """Returns the protocol's number of a method."""
    value: influence_service_pb2.InfluenceMethod = _value(name, method, METHODS)
    return value


def _value(name: str, value: str, values: dict[str, Any]) -> Any:
    if value not in values:
        raise ValueError(f"{name} is {value!r}, expected one of {', '.join(map(repr, values))}")
    return values[value]
