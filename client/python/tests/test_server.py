"""The main job against the real server."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from reference import datainf_scores, lambdas, worst_relative_error
from server_process import ServerProcess

import datainf

NewRun = Callable[..., datainf.Run]

BFLOAT16: Any = ml_dtypes.bfloat16
FLOAT32_TOLERANCE = 1e-5
# Up to 64 samples the server computes in double precision.
DOUBLE_TOLERANCE = 1e-6
LONG_SECONDS = 60.0


def gradients(count: int, dimension: int, seed: int = 0) -> Any:
    """Returns [count, dimension] float32 with norms over several decades."""
    rng = np.random.default_rng(seed)
    norms = np.exp(rng.normal(0, 2, (count, 1)))
    return (norms * rng.standard_normal((count, dimension))).astype(np.float32)


def test_runs_are_created_listed_described_and_deleted(client: datainf.Client) -> None:
    blocks = [datainf.Block("a", 2, 3), datainf.Block("b", 1, 4)]
    run = client.create_run(
        "described",
        blocks,
        stored_dtype="bf16",
        damping_scale=0.25,
        checkpoint="step-3",
        labels={"team": "x"},
    )
    again = client.create_run(
        "described",
        blocks,
        stored_dtype="bf16",
        damping_scale=0.25,
        checkpoint="step-3",
        labels={"team": "x"},
    )
    for each in (run, again, client.run("described")):
        assert each.blocks == tuple(blocks)
        assert (each.run_id, each.dimension, each.stored_dtype) == ("described", 10, "bf16")
        assert (each.damping_scale, each.checkpoint, each.labels) == (0.25, "step-3", {"team": "x"})
        assert (each.sample_count, each.revision) == (0, 0)
        assert each.layout_hash == run.layout_hash != ""
        assert each.create_time == run.create_time
    assert "described" in [each.run_id for each in client.list_runs()]
    run.delete()
    assert "described" not in [each.run_id for each in client.list_runs()]
    with pytest.raises(datainf.NotFoundError, match="described"):
        run.delete()


def test_statistics_are_those_of_the_samples(new_run: NewRun) -> None:
    run = new_run(5, 3, 2)
    train = gradients(101, 10)
    train[:, 8:] = 0
    train[7, :5] = 0
    with run.writer() as writer:
        writer.add(range(101), train)
        revision = writer.flush(LONG_SECONDS)
    statistics = run.statistics()
    assert (statistics.sample_count, statistics.revision) == (101, revision)
    q = np.stack([(b.astype(float) ** 2).sum(axis=1) for b in np.split(train, [5, 8], axis=1)])
    assert [block.name for block in statistics.blocks] == ["block0", "block1", "block2"]
    assert [block.dimension for block in statistics.blocks] == [5, 3, 2]
    assert [block.zero_gradient_count for block in statistics.blocks] == [1, 0, 101]
    assert [block.skipped for block in statistics.blocks] == [False, False, True]
    columns = np.array(
        [
            [
                block.squared_norm_sum,
                block.squared_norm_min,
                block.squared_norm_median,
                block.squared_norm_max,
                block.damping,
            ]
            for block in statistics.blocks
        ]
    )
    expected = [
        q.sum(axis=1),
        q.min(axis=1),
        np.median(q, axis=1),
        q.max(axis=1),
        lambdas(train, [5, 3, 2]),
    ]
    np.testing.assert_allclose(columns.T, expected, rtol=1e-12)


def test_skipped_block_is_named_in_the_answer(new_run: NewRun) -> None:
    run = new_run(4, 3)
    train, val = gradients(70, 7), gradients(2, 7, seed=1)
    train[:, :4] = 0
    with run.writer() as writer:
        writer.add(range(70), train)
    result = run.query(val)
    assert result.snapshot.skipped_blocks == ("block0",)
    assert result.snapshot.damping[0] == 0
    expected = datainf_scores(train, val, [4, 3])
    assert worst_relative_error(result.scores, expected) <= FLOAT32_TOLERANCE


@pytest.mark.parametrize("count", [50, 500])
def test_selections_agree_with_all_scores(new_run: NewRun, count: int) -> None:
    run = new_run(16, 8)
    ids = np.random.default_rng(3).permutation(10 * count)[:count]
    with run.writer() as writer:
        writer.add(ids, gradients(count, 24))
    val = gradients(3, 24, seed=1)
    everything = run.query(val, reproducible=True)
    assert everything.ids.shape == everything.scores.shape == (3, count)
    assert everything.ids[0].tolist() == ids.tolist()
    keys: dict[Any, Any] = {
        "most_harmful": -everything.scores,
        "most_helpful": everything.scores,
        "absolute": -np.abs(everything.scores),
    }
    for ranking, key in keys.items():
        top = run.query(val, top_k=7, ranking=ranking, reproducible=True)
        for point in range(3):
            expected = np.argsort(key[point])[:7]
            assert top.ids[point].tolist() == ids[expected].tolist()
            assert top.scores[point].tolist() == everything.scores[point][expected].tolist()
    given = run.query(val, ids=ids[[5, 1, 9]], reproducible=True)
    assert given.ids.tolist() == [ids[[5, 1, 9]].tolist()] * 3
    np.testing.assert_array_equal(given.scores, everything.scores[:, [5, 1, 9]])
    assert run.query(val, top_k=10 * count).ids.shape == (3, count)


def test_mean_stored_samples_and_damping(new_run: NewRun) -> None:
    run = new_run(16, 8)
    train, val = gradients(60, 24), gradients(3, 24, seed=1)
    with run.writer() as writer:
        writer.add(range(60), train)
    mean = run.query(val, aggregation="mean").scores
    expected = datainf_scores(train, val, [16, 8])
    assert worst_relative_error(mean, expected.mean(axis=0)[np.newaxis]) <= DOUBLE_TOLERANCE
    stored = run.query(sample_ids=[4, 2]).scores
    expected = datainf_scores(train, train[[4, 2]], [16, 8])
    assert worst_relative_error(stored, expected) <= DOUBLE_TOLERANCE
    scaled = run.query(val, damping_scale=0.7)
    expected = datainf_scores(train, val, [16, 8], scale=0.7)
    assert worst_relative_error(scaled.scores, expected) <= DOUBLE_TOLERANCE
    fixed = run.query(val, damping=scaled.snapshot.damping)
    assert worst_relative_error(fixed.scores, expected) <= DOUBLE_TOLERANCE
    np.testing.assert_array_equal(fixed.snapshot.damping, scaled.snapshot.damping)


@pytest.mark.parametrize("stored_dtype", ["f32", "bf16"])
@pytest.mark.parametrize("dtype", ["f32", "bf16", "f16"])
def test_scores_are_those_of_the_stored_values(
    new_run: NewRun, dtype: Any, stored_dtype: str
) -> None:
    run = new_run(16, 8, stored_dtype=stored_dtype)
    train, val = gradients(60, 24), gradients(2, 24, seed=1)
    with run.writer(dtype=dtype) as writer:
        writer.add(range(60), train)
    narrow = {"f32": np.float32, "bf16": BFLOAT16, "f16": np.float16}
    stored = train.astype(narrow[dtype]).astype(np.float32).astype(narrow[stored_dtype])
    result = run.query(val)
    assert result.snapshot.stored_dtype == stored_dtype
    expected = datainf_scores(stored.astype(np.float64), val, [16, 8])
    assert worst_relative_error(result.scores, expected) <= DOUBLE_TOLERANCE


def test_samples_and_queries_larger_than_a_message(new_run: NewRun) -> None:
    dimensions = [2_000_000, 500_001]
    run = new_run(*dimensions)
    train = gradients(3, sum(dimensions))
    with run.writer() as writer:
        writer.add([1, 2, 3], train)
    val = gradients(4, sum(dimensions), seed=1)  # 40 MB
    result = run.query(val)
    expected = datainf_scores(train, val, dimensions)
    assert worst_relative_error(result.scores, expected) <= DOUBLE_TOLERANCE


def test_pushed_again_is_duplicate_and_changed_is_replaced(new_run: NewRun) -> None:
    run = new_run(8)
    train, val = gradients(70, 8), gradients(1, 8, seed=1)
    for _ in range(2):
        with run.writer() as writer:
            writer.add(range(70), train)
    assert (writer.duplicates, run.statistics().sample_count) == (70, 70)
    train[9] *= 3
    with run.writer() as writer:
        writer.add(9, train[9])
        revision = writer.flush(LONG_SECONDS)
    result = run.query(val, min_revision=revision)
    order = result.ids[0].astype(int)
    assert sorted(order) == list(range(70))
    expected = datainf_scores(train[order], val, [8])
    assert worst_relative_error(result.scores, expected) <= FLOAT32_TOLERANCE


def test_many_writers_at_once(new_run: NewRun) -> None:
    run = new_run(32)
    train, val = gradients(400, 32), gradients(1, 32, seed=1)

    def push(rank: int) -> None:
        with run.writer() as writer:
            for sample_id in range(rank, 400, 4):
                writer.add(sample_id, train[sample_id])

    threads = [threading.Thread(target=push, args=(rank,)) for rank in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    result = run.query(val)
    order = result.ids[0].astype(int)
    assert sorted(order) == list(range(400))
    expected = datainf_scores(train[order], val, [32])
    assert worst_relative_error(result.scores, expected) <= FLOAT32_TOLERANCE


def test_scores_while_a_writer_streams_are_those_of_their_snapshot(new_run: NewRun) -> None:
    dimensions = [48, 16]
    run = new_run(*dimensions)
    train, val = gradients(20_000, 64), gradients(2, 64, seed=1)
    started, stop = threading.Event(), threading.Event()

    def stream() -> None:
        with run.writer() as writer:
            writer.add(range(100), train[:100])
            for sample_id in range(100, len(train)):
                if stop.is_set():
                    return
                writer.add(sample_id, train[sample_id])
                if sample_id % 50 == 0:
                    writer.flush(LONG_SECONDS)
                    started.set()

    streamer = threading.Thread(target=stream)
    streamer.start()
    seen: dict[int, datainf.QueryResult] = {}
    try:
        assert started.wait(LONG_SECONDS)
        while len(seen) < 12 and streamer.is_alive():
            result = run.query(val)
            seen[result.snapshot.revision] = result
    finally:
        stop.set()
        streamer.join()
    assert len(seen) == 12, "the writer ended before the queries"
    for revision, result in seen.items():
        assert result.snapshot.sample_count == revision == result.scores.shape[1]
        prefix = train[result.ids[0].astype(int)]
        assert result.ids[0].tolist() == list(range(revision))
        np.testing.assert_allclose(result.snapshot.damping, lambdas(prefix, dimensions), rtol=1e-12)
        expected = datainf_scores(prefix, val, dimensions)
        assert worst_relative_error(result.scores, expected) <= FLOAT32_TOLERANCE


def test_killed_and_stopped_servers_keep_what_they_acked_and_the_writer_goes_on(
    short_path: Path, new_run: NewRun
) -> None:
    dimensions = [96, 32]
    train, val = gradients(2_000, 128), gradients(3, 128, seed=1)
    uninterrupted = new_run(*dimensions)
    with uninterrupted.writer() as writer:
        writer.add(range(2_000), train)

    process = ServerProcess(short_path)
    endings = {
        300: (process.kill, -signal.SIGKILL),
        900: (process.stop, 0),
        1_500: (process.kill, -signal.SIGKILL),
    }
    reached = {count: threading.Event() for count in endings}

    def on_progress(stats: datainf.WriterStats) -> None:
        for count, event in reached.items():
            if stats.acked_samples >= count:
                event.set()

    process.start()
    try:
        with datainf.Client(process.target) as client:
            blocks = [datainf.Block(f"block{i}", 1, d) for i, d in enumerate(dimensions)]
            run = client.create_run("interrupted", blocks)
            # So small a buffer that the writer is never far ahead of the acks.
            options = datainf.WriterOptions(max_buffered_bytes=64 * 512)
            finished: list[datainf.WriterStats] = []

            def stream() -> None:
                with run.writer(options=options, on_progress=on_progress) as writer:
                    for sample_id in range(2_000):
                        writer.add(sample_id, train[sample_id])
                finished.append(writer.stats())

            streamer = threading.Thread(target=stream)
            streamer.start()
            for count, (end, status) in endings.items():
                assert reached[count].wait(LONG_SECONDS)
                assert end() == status
                process.start()
            streamer.join()
            assert finished, "the writer failed"
            assert finished[0].acked_samples == 2_000
            assert finished[0].reconnects >= 3
            result = run.query(val, reproducible=True)
            # One step for each sample stored or replaced: none was stored twice.
            assert result.snapshot.revision == result.snapshot.sample_count == 2_000
            expected = uninterrupted.query(val, reproducible=True)
            np.testing.assert_array_equal(result.ids, expected.ids)
            np.testing.assert_array_equal(result.scores, expected.scores)
            np.testing.assert_array_equal(result.snapshot.damping, expected.snapshot.damping)
            assert run.statistics() == uninterrupted.statistics()
    finally:
        assert process.stop() == 0


def test_tcp_and_unix_socket_reach_the_same_run(server: ServerProcess, new_run: NewRun) -> None:
    run = new_run(4)
    with run.writer() as writer:
        writer.add(1, np.ones(4, np.float32))
    with datainf.Client(server.ready["grpc"]) as client:
        other = client.run(run.run_id)
        assert other.sample_count == 1
        np.testing.assert_array_equal(other.query(np.ones(4)).scores, run.query(np.ones(4)).scores)
