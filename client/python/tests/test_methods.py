"""Methods, their options and the analysis of a run, against the real server."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from reference import datainf_scores, exact_scores, lissa_scores, worst_relative_error

import datainf

NewRun = Callable[..., datainf.Run]

DIMENSIONS = [16, 8]
COUNT = 150
FLOAT32_TOLERANCE = 1e-5
EXACT_TOLERANCE = 1e-4
GOLDEN = Path(__file__).parents[3] / "server/engine/src/test/resources/golden"


def gradients(count: int, seed: int = 0) -> Any:
    """Returns [count, D] float32 with norms over some decades."""
    rng = np.random.default_rng(seed)
    norms = np.exp(rng.normal(0, 1, (count, 1)))
    return (norms * rng.standard_normal((count, sum(DIMENSIONS)))).astype(np.float32)


TRAIN, VAL = gradients(COUNT), gradients(3, seed=1)


@pytest.fixture
def run(new_run: NewRun) -> datainf.Run:
    run = new_run(*DIMENSIONS)
    with run.writer() as writer:
        writer.add(range(COUNT), TRAIN)
    return run


def test_exact_solves_and_reports(run: datainf.Run) -> None:
    told: list[float] = []
    result = run.query(VAL, method="exact", exact_tolerance=1e-9, on_progress=told.append)
    expected = exact_scores(TRAIN, VAL, DIMENSIONS)
    assert worst_relative_error(result.scores, expected) <= EXACT_TOLERANCE
    assert result.snapshot.method == "exact"
    assert result.solver is not None
    assert result.solver.converged
    assert result.solver.relative_residual <= 1e-9
    assert told == sorted(told)
    assert told
    assert all(0 <= fraction <= 1 for fraction in told)


@pytest.mark.parametrize(("method", "sign"), [("lissa", -1), ("lissa_reference", 1)])
def test_lissa_iterates_as_asked(run: datainf.Run, method: Any, sign: int) -> None:
    result = run.query(VAL, method=method, lissa_iterations=4, lissa_alpha=0.05)
    expected = lissa_scores(TRAIN, VAL, DIMENSIONS, iterations=4, alpha=0.05, sign=sign)
    assert worst_relative_error(result.scores, expected) <= FLOAT32_TOLERANCE
    assert result.solver is not None
    assert result.solver.iterations == 4
    assert not result.solver.converged
    assert run.query(VAL).solver is None


def test_several_dampings_have_a_result_each(run: datainf.Run) -> None:
    scales = [0.01, 0.1, 2.0]
    for method in ("datainf", "exact"):
        result = run.query(VAL, method=method, damping_scales=scales, per_block=True)
        assert len(result.by_damping) == 3
        for scale, each in zip(scales, result.by_damping, strict=True):
            alone = run.query(VAL, method=method, damping_scale=scale)
            np.testing.assert_array_equal(each.snapshot.damping, alone.snapshot.damping)
            assert worst_relative_error(each.scores, alone.scores) <= FLOAT32_TOLERANCE
            assert each.block_scores is not None
            assert worst_relative_error(each.block_scores.sum(0), each.scores) <= 1e-12
            assert (each.solver is None) == (method == "datainf")


def test_top_of_several_dampings_have_their_own_ids(run: datainf.Run) -> None:
    result = run.query(VAL, damping_scales=[0.001, 10], top_k=5)
    for scale, each in zip([0.001, 10], result.by_damping, strict=True):
        expected = datainf_scores(TRAIN, VAL, DIMENSIONS, scale=scale)
        assert each.ids.tolist() == np.argsort(-expected)[:, :5].tolist()


def test_cosine_and_relatif(run: datainf.Run) -> None:
    cosine = run.query(VAL, method="hessian_free", normalization="cosine").scores
    norms = np.linalg.norm(VAL.astype(float), axis=1)[:, None] * np.linalg.norm(
        TRAIN.astype(float), axis=1
    )
    assert np.abs(cosine + VAL.astype(float) @ TRAIN.T.astype(float) / norms).max() <= 1e-6

    with pytest.raises(datainf.FailedPreconditionError, match="ComputeSelfInfluence") as missing:
        run.query(VAL, normalization="relatif")
    assert missing.value.reason == "SELF_INFLUENCE_MISSING"
    own = run.self_influence()
    relatif = run.query(VAL, normalization="relatif").scores
    assert worst_relative_error(relatif, run.query(VAL).scores / np.sqrt(-own.values)) <= 1e-6


def test_self_influence_is_computed_once_and_kept(run: datainf.Run) -> None:
    cost = run.self_influence_cost()
    assert cost.multiplications == COUNT * COUNT * sum(DIMENSIONS)
    assert cost.compute_seconds > 0
    told: list[float] = []
    own = run.self_influence(on_progress=told.append)
    assert told
    assert own.ids.tolist() == list(range(COUNT))
    expected = np.diag(datainf_scores(TRAIN, TRAIN, DIMENSIONS))
    np.testing.assert_allclose(own.values, expected, rtol=FLOAT32_TOLERANCE)
    assert own.snapshot.revision == COUNT
    assert own.estimate.multiplications == cost.multiplications
    assert run.self_influence_cost().multiplications == 0
    some = run.self_influence([7, 3])
    assert some.values.tolist() == own.values[[7, 3]].tolist()
    assert run.self_influence_cost(damping_scale=0.5).multiplications > 0
    with pytest.raises(datainf.InvalidArgumentError, match="9999"):
        run.self_influence([9999])
    with pytest.raises(datainf.FailedPreconditionError):
        run.self_influence(min_revision=10_000)


def test_methods_are_compared_with_exact(run: datainf.Run) -> None:
    comparison = run.compare_methods(
        VAL, methods=["datainf", "lissa"], lissa_iterations=3, lissa_alpha=0.05
    )
    exact = exact_scores(TRAIN, VAL, DIMENSIONS)
    expected = {
        "datainf": datainf_scores(TRAIN, VAL, DIMENSIONS),
        "lissa": lissa_scores(TRAIN, VAL, DIMENSIONS, iterations=3, alpha=0.05, sign=-1),
    }
    assert [each.method for each in comparison.methods] == ["datainf", "lissa"]
    for each in comparison.methods:
        scores = expected[each.method]
        error = np.linalg.norm(scores - exact, axis=1) / np.linalg.norm(exact, axis=1)
        np.testing.assert_allclose(each.relative_error, error, rtol=1e-3)
        pearson = [np.corrcoef(a, b)[0, 1] for a, b in zip(scores, exact, strict=True)]
        np.testing.assert_allclose(each.pearson, pearson, atol=1e-4)
        ranks = [
            np.corrcoef(a.argsort().argsort(), b.argsort().argsort())[0, 1]
            for a, b in zip(scores, exact, strict=True)
        ]
        np.testing.assert_allclose(each.spearman, ranks, atol=1e-3)
        assert each.compute_seconds > 0
    assert comparison.exact_solver.converged
    assert comparison.exact_seconds > 0
    norms = np.linalg.norm(TRAIN[:, : DIMENSIONS[0]].astype(float), axis=1)
    block = comparison.block_norms[0]
    assert block.name == "block0"
    np.testing.assert_allclose(
        [block.min, block.lower_quartile, block.median, block.upper_quartile, block.max],
        np.quantile(norms, [0, 0.25, 0.5, 0.75, 1]),
        rtol=1e-6,
    )
    with pytest.raises(ValueError, match="methods is 'tracin'"):
        run.compare_methods(VAL, methods=["tracin"])  # type: ignore[list-item]
    with pytest.raises(datainf.InvalidArgumentError, match="9999"):
        run.compare_methods(sample_ids=[9999])


def test_comparison_of_gradients_larger_than_a_message(new_run: NewRun) -> None:
    run = new_run(1_500_000)
    rng = np.random.default_rng(0)
    with run.writer() as writer:
        writer.add(range(3), rng.standard_normal((3, run.dimension)))
    comparison = run.compare_methods(rng.standard_normal((2, run.dimension)), methods=["datainf"])
    assert comparison.methods[0].relative_error.shape == (2,)


def test_squared_norms(run: datainf.Run) -> None:
    norms = run.squared_norms(per_block=True)
    squares = TRAIN.astype(float) ** 2
    assert norms.ids.tolist() == list(range(COUNT))
    np.testing.assert_allclose(norms.values, squares.sum(1), rtol=1e-12)
    assert norms.block_values is not None
    np.testing.assert_allclose(norms.block_values[1], squares[:, DIMENSIONS[0] :].sum(1), 1e-12)
    assert norms.revision == COUNT
    assert run.squared_norms().block_values is None
    with pytest.raises(datainf.FailedPreconditionError):
        run.squared_norms(min_revision=10_000)


def test_squared_norms_of_an_empty_run(new_run: NewRun) -> None:
    norms = new_run(3, 2).squared_norms(per_block=True)
    assert norms.values.shape == norms.ids.shape == (0,)
    assert norms.block_values is not None
    assert norms.block_values.shape == (2, 0)


def test_wrong_options_are_named_by_the_server(run: datainf.Run) -> None:
    with pytest.raises(datainf.InvalidArgumentError, match=r"lissa\.alpha is -1") as error:
        run.query(VAL, method="lissa", lissa_alpha=-1)
    assert [violation.field for violation in error.value.violations] == ["spec.lissa.alpha"]
    with pytest.raises(datainf.InvalidArgumentError, match=r"lissa\.iterations is 0"):
        run.query(VAL, method="lissa", lissa_iterations=0)
    with pytest.raises(datainf.InvalidArgumentError, match=r"exact\.tolerance is 2"):
        run.query(VAL, method="exact", exact_tolerance=2)


def test_queries_at_once_give_what_each_gives_alone(run: datainf.Run) -> None:
    points = gradients(24, seed=2)
    alone = [run.query(point).scores for point in points]
    exactly = [run.query(point, reproducible=True).scores for point in points]
    found: dict[tuple[bool, int], datainf.QueryResult] = {}
    start = threading.Barrier(2 * len(points))

    def ask(reproducible: bool, index: int) -> None:
        start.wait()
        found[reproducible, index] = run.query(points[index], reproducible=reproducible)

    threads = [
        threading.Thread(target=ask, args=(reproducible, index))
        for reproducible in (False, True)
        for index in range(len(points))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for index in range(len(points)):
        assert worst_relative_error(found[False, index].scores, alone[index]) <= 1e-6
        np.testing.assert_array_equal(found[True, index].scores, exactly[index])
        assert found[True, index].summary.batch_query_count == 1


@pytest.mark.parametrize("name", ["tiny-handmade", "heavy-tailed", "lora-r4-minilm"])
def test_golden_cases(client: datainf.Client, name: str) -> None:
    golden = np.load(GOLDEN / f"{name}.npz")
    shapes = golden["block_shapes"]
    blocks = [
        datainf.Block(str(block), int(rows), int(columns))
        for block, (rows, columns) in zip(golden["block_names"], shapes, strict=True)
    ]
    train, val = (
        np.concatenate([golden[f"{kind}.{b}"] for b in range(len(blocks))], axis=1)
        for kind in ("train", "val")
    )
    run = client.create_run(f"methods-{name}", blocks)
    with run.writer() as writer:
        writer.add(range(len(train)), train)
    expected = {
        "datainf": "datainf",
        "hessian_free": "hessian_free",
        "lissa_reference": "lissa",
        "lissa": "lissa_plus",
        "exact": "exact",
    }
    for method, key in expected.items():
        tolerance = EXACT_TOLERANCE if method == "exact" else FLOAT32_TOLERANCE
        scores = run.query(val, method=method).scores  # type: ignore[arg-type]
        assert worst_relative_error(scores, golden[f"score.{key}"]) <= tolerance, method
    result = run.query(val, per_block=True)
    assert result.block_scores is not None
    for actual, block_scores in zip(
        result.block_scores, golden["score_by_block.datainf"], strict=True
    ):
        assert worst_relative_error(actual, block_scores) <= FLOAT32_TOLERANCE
    mean = run.query(val, aggregation="mean").scores
    valmean = golden["score_valmean.datainf"][np.newaxis]
    assert worst_relative_error(mean, valmean) <= FLOAT32_TOLERANCE
    own = run.self_influence().values
    np.testing.assert_allclose(own, golden["self_influence"], rtol=FLOAT32_TOLERANCE)
