"""Requests and answers of queries, message by message."""

from typing import Any

import ml_dtypes
import numpy as np
import pytest

import datainf
from datainf import _query
from datainf._answer import Answer
from datainf._connection import Connection
from datainf._options import ClientOptions
from datainf._proto.v1 import influence_service_pb2 as pb
from datainf._proto.v1 import run_service_pb2, types_pb2

BFLOAT16: Any = ml_dtypes.bfloat16
BLOCKS = ("a", "b")


def build(**changes: Any) -> _query.Query:
    arguments: dict[str, Any] = {
        "run_id": "r",
        "dimension": 3,
        "block_names": BLOCKS,
        "gradient": np.ones((2, 3), np.float32),
        "sample_ids": None,
        "method": "datainf",
        "aggregation": "each",
        "damping_scale": None,
        "damping_scales": None,
        "damping": None,
        "lissa_iterations": None,
        "lissa_alpha": None,
        "exact_tolerance": None,
        "top_k": None,
        "ranking": "most_harmful",
        "ids": None,
        "per_block": False,
        "normalization": "raw",
        "min_revision": 0,
        "reproducible": False,
    }
    return _query.build(**{**arguments, **changes})


def test_defaults() -> None:
    query = build()
    assert query.spec == pb.QuerySpec(
        run_id="r",
        validation_gradients=pb.ValidationGradients(
            count=2, element_type=types_pb2.ELEMENT_TYPE_F32
        ),
        aggregation=pb.AGGREGATION_EACH,
        method=pb.INFLUENCE_METHOD_DATAINF,
        selection=pb.Selection(all=pb.AllSamples()),
        normalization=pb.NORMALIZATION_RAW,
    )
    assert query.point_count == 2


def test_every_option_reaches_the_request() -> None:
    spec = build(
        gradient=None,
        sample_ids=[5, 2**64 - 1],
        method="hessian_free",
        aggregation="mean",
        damping=[0.5, 2],
        top_k=7,
        ranking="absolute",
        per_block=True,
        normalization="cosine",
        min_revision=9,
        reproducible=True,
    ).spec
    assert spec == pb.QuerySpec(
        run_id="r",
        stored_samples=pb.StoredSamples(sample_ids=[5, 2**64 - 1]),
        aggregation=pb.AGGREGATION_MEAN,
        method=pb.INFLUENCE_METHOD_HESSIAN_FREE,
        dampings=[pb.Damping(fixed=pb.FixedDamping(values=[0.5, 2]))],
        selection=pb.Selection(top=pb.TopSamples(count=7, ranking=pb.RANKING_ABSOLUTE)),
        per_block=True,
        normalization=pb.NORMALIZATION_COSINE,
        min_revision=9,
        reproducible=True,
    )
    assert build(damping_scale=0.3).spec.dampings[0].scale == 0.3
    assert build(damping=2.0).spec.dampings[0].fixed.values == [2.0]
    assert [each.scale for each in build(damping_scales=(0.1, 1)).spec.dampings] == [0.1, 1]
    assert list(build(ids=[3, 1]).spec.selection.given.sample_ids) == [3, 1]
    lissa = build(method="lissa_reference", lissa_iterations=3, lissa_alpha=0.5).spec
    assert lissa.method == pb.INFLUENCE_METHOD_LISSA_REFERENCE
    assert lissa.lissa == pb.LissaOptions(iterations=3, alpha=0.5)
    assert not lissa.HasField("exact")
    assert build(method="exact", exact_tolerance=1e-3).spec.exact.tolerance == 1e-3


@pytest.mark.parametrize(
    ("dtype", "element_type", "size"),
    [
        (np.float64, types_pb2.ELEMENT_TYPE_F32, 4),
        (np.float32, types_pb2.ELEMENT_TYPE_F32, 4),
        (np.float16, types_pb2.ELEMENT_TYPE_F16, 2),
        (BFLOAT16, types_pb2.ELEMENT_TYPE_BF16, 2),
    ],
)
def test_gradient_travels_in_its_own_encoding(dtype: Any, element_type: int, size: int) -> None:
    query = build(gradient=np.ones(3, dtype))
    assert query.spec.validation_gradients.element_type == element_type
    assert query.gradients.nbytes == 3 * size
    assert query.point_count == 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"gradient": None}, "expected either gradient or sample_ids"),
        ({"sample_ids": [1]}, "expected either gradient or sample_ids"),
        ({"gradient": np.ones(4)}, r"gradient has shape \(4,\), expected \[k, 3\] or \[3\]"),
        ({"gradient": np.ones((0, 3))}, "expected at least 1 validation point"),
        ({"method": "tracin"}, "method is 'tracin', expected one of 'datainf', "),
        ({"aggregation": "sum"}, "aggregation is 'sum'"),
        ({"ranking": "best"}, "ranking is 'best'"),
        ({"normalization": "l2"}, "normalization is 'l2'"),
        ({"top_k": 0}, "top_k is 0, expected at least 1"),
        ({"top_k": 1, "ids": [1]}, "at most one of top_k and ids"),
        ({"damping_scale": 1, "damping": 1}, "at most one of damping_scale and damping"),
        ({"damping_scale": 1, "damping_scales": [1]}, "at most one of damping_scale, damping_sc"),
        ({"damping_scales": []}, "damping_scales is empty"),
        ({"lissa_alpha": 1.0}, "lissa_iterations and lissa_alpha do not go with method 'datainf'"),
        ({"method": "exact", "lissa_iterations": 1}, "do not go with method 'exact'"),
        ({"method": "lissa", "exact_tolerance": 0.1}, "exact_tolerance does not go with method"),
        ({"ids": [1, 1]}, "ids holds 1 twice"),
        ({"ids": []}, "ids has shape"),
    ],
)
def test_wrong_arguments_are_named(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build(**changes)


def test_stream_chunks_cover_the_gradient_within_the_limit() -> None:
    gradient = np.arange(3000, dtype=np.float32).reshape(1000, 3)
    query = build(gradient=gradient)
    first, *chunks = _query.stream_requests(query, 1024)
    assert first.spec == query.spec
    assert {request.query_id for request in (first, *chunks)} == {first.query_id}
    assert max(request.ByteSize() for request in chunks) <= 1024
    offset = 0
    for request in chunks:
        assert request.chunk.element_offset == offset
        offset += len(request.chunk.gradients) // 4
    assert b"".join(request.chunk.gradients for request in chunks) == gradient.tobytes()


def scores(point: int, ids: list[int], values: list[float], block: int | None = None) -> Any:
    chunk = pb.ScoreChunk(
        query_index=point,
        block_index=block,
        sample_ids=np.array(ids, "<u8").tobytes(),
        scores=np.array(values, "<f8").tobytes(),
    )
    return pb.QueryResponse(scores=chunk)


SNAPSHOT = pb.QueryResponse(
    snapshot=pb.Snapshot(
        sample_count=3,
        revision=4,
        dampings=[pb.BlockDampings(values=[0.5, 0], skipped_blocks=[1])],
        method=pb.INFLUENCE_METHOD_DATAINF,
        stored_element_type=types_pb2.ELEMENT_TYPE_BF16,
        engine="vector",
    )
)
SUMMARY = pb.QueryResponse(summary=pb.Summary(recomputed_in_double=True, batch_query_count=3))
SUMMARY.summary.compute_duration.nanos = 2_000_000


def test_answer_in_chunks_is_joined_by_validation_point() -> None:
    result = Answer(block_names=BLOCKS, point_count=2).read(
        [
            SNAPSHOT,
            scores(1, [7, 8], [4.0, 5.0]),
            scores(0, [7], [1.0]),
            pb.QueryResponse(progress=pb.Progress(fraction=0.5)),
            scores(0, [8, 9], [2.0, 3.0]),
            scores(1, [9], [6.0]),
            SUMMARY,
        ]
    )
    assert result.scores.tolist() == [[1, 2, 3], [4, 5, 6]]
    assert result.ids.tolist() == [[7, 8, 9]] * 2
    assert result.block_scores is None
    snapshot = result.snapshot
    assert (snapshot.sample_count, snapshot.revision, snapshot.engine) == (3, 4, "vector")
    assert (snapshot.method, snapshot.stored_dtype) == ("datainf", "bf16")
    assert snapshot.damping.tolist() == [0.5, 0]
    assert snapshot.skipped_blocks == ("b",)
    assert result.summary == datainf.QuerySummary(
        queue_seconds=0,
        compute_seconds=0.002,
        respond_seconds=0,
        relative_error_bound=None,
        recomputed_in_double=True,
        batch_query_count=3,
    )


def test_top_k_has_its_own_ids_for_each_point() -> None:
    answer = Answer(block_names=BLOCKS, point_count=2, has_own_ids=True)
    result = answer.read(
        [SNAPSHOT, scores(0, [9, 7], [3.0, 1.0]), scores(1, [8, 9], [5.0, 2.0]), SUMMARY]
    )
    assert result.ids.tolist() == [[9, 7], [8, 9]]
    frame = result.to_pandas()
    assert frame["validation_index"].tolist() == [0, 0, 1, 1]
    assert frame["sample_id"].tolist() == [9, 7, 8, 9]
    assert frame["score"].tolist() == [3, 1, 5, 2]
    assert str(frame["sample_id"].dtype) == "uint64"


def test_block_terms_are_apart_and_zero_where_none_came() -> None:
    answer = Answer(block_names=BLOCKS, point_count=1, per_block=True)
    result = answer.read(
        [SNAPSHOT, scores(0, [7, 8], [1.0, 2.0]), scores(0, [7, 8], [1.0, 2.0], block=0), SUMMARY]
    )
    assert result.block_scores is not None
    assert result.block_scores.tolist() == [[[1, 2]], [[0, 0]]]
    assert result.scores.tolist() == [[1, 2]]


def test_several_dampings_give_a_result_each() -> None:
    snapshot = pb.QueryResponse(snapshot=SNAPSHOT.snapshot)
    snapshot.snapshot.dampings.add(values=[5, 0], skipped_blocks=[1])
    summary = pb.QueryResponse(summary=SUMMARY.summary)
    summary.summary.solver_reports.add(converged=True, iterations=2, solver="cg")
    summary.summary.solver_reports.add(relative_residual=0.5, solver="lissa")
    second = scores(0, [7], [2.0])
    second.scores.damping_index = 1
    told: list[float] = []
    answer = Answer(block_names=BLOCKS, point_count=1, on_progress=told.append)
    progress = pb.QueryResponse(progress=pb.Progress(fraction=0.5))
    result = answer.read([progress, snapshot, scores(0, [7], [1.0]), second, summary])
    first, other = result.by_damping
    assert first is result
    assert (first.scores.tolist(), other.scores.tolist()) == ([[1]], [[2]])
    assert (first.snapshot.damping[0], other.snapshot.damping[0]) == (0.5, 5)
    assert first.solver == datainf.SolverReport(
        converged=True, iterations=2, relative_residual=0, solver="cg"
    )
    assert other.solver is not None
    assert (other.solver.converged, other.solver.relative_residual) == (False, 0.5)
    assert other.by_damping == (other,)
    assert told == [0.5]


@pytest.mark.parametrize(
    "responses",
    [
        [SNAPSHOT, scores(0, [7], [1.0]), scores(1, [7], [1.0])],
        [SNAPSHOT, scores(0, [7], [1.0]), SUMMARY],
        [SNAPSHOT, scores(0, [7], [1.0]), scores(1, [7, 8], [1.0, 2.0]), SUMMARY],
    ],
)
def test_incomplete_answer_is_an_error(responses: list[Any]) -> None:
    with pytest.raises(datainf.DataInfError, match="the answer"):
        Answer(block_names=BLOCKS, point_count=2).read(responses)


def test_failed_query_of_a_stream_is_an_error() -> None:
    response = pb.QueryStreamResponse(query_id="query")
    response.error.code = 9
    response.error.message = "run 'r' holds no samples"
    with pytest.raises(datainf.FailedPreconditionError, match="holds no samples"):
        Answer(block_names=BLOCKS, point_count=2).read([response])


def test_pandas_missing_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pandas", None)
    result = Answer(block_names=BLOCKS, point_count=1).read(
        [SNAPSHOT, scores(0, [7], [1.0]), SUMMARY]
    )
    with pytest.raises(ImportError, match="pip install 'datainf-client"):
        result.to_pandas()


def test_run_describes_itself() -> None:
    message = run_service_pb2.Run(run_id="r", dimension=6)
    message.layout.blocks.add(name="a", rows=2, columns=3)
    run = datainf.Run(Connection("127.0.0.1:1", ClientOptions()), message)
    assert repr(run) == "Run('r', blocks=1, dimension=6, stored_dtype='0')"
