"""What a writer does; with the other end at fault: test_writer_recovery.py."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from fake_server import (
    DIMENSION,
    LONG_SECONDS,
    ack,
    acking,
    never_acking,
    opened,
    rows,
    serving,
)

import datainf
from datainf._batch import Batch
from datainf._proto.v1 import ingest_service_pb2


@pytest.mark.parametrize(("steps", "kept"), [([-1, 3], [-1, 3]), (7, [7, 7])])
def test_samples_arrive_with_ids_steps_and_content(steps: Any, kept: list[int]) -> None:
    received: list[Any] = []

    def script(_: int, requests: Iterator[Any], __: Any) -> Iterator[Any]:
        def keep() -> Iterator[Any]:
            for request in requests:
                received.append(request.batch)
                yield request

        yield from acking(keep())

    with serving(script) as (fake, run):
        gradients = np.arange(8, dtype=np.float32).reshape(2, 4)
        with run.writer(checkpoint="step-1", writer_id="w") as writer:
            writer.add([5, 2**64 - 1], gradients, steps=steps)
            gradients[:] = -1  # the writer has its own copy
            assert writer.flush(LONG_SECONDS) == 2
        opening = fake.opens[0]
    assert (opening.run_id, opening.writer_id, opening.layout_hash) == ("r", "w", "hash")
    assert opening.checkpoint == "step-1"
    assert [list(b.sample_ids) for b in received] == [[5, 2**64 - 1]]
    assert list(received[0].steps) == kept
    assert np.frombuffer(received[0].gradients, "<f4").tolist() == list(range(8))


def test_no_add_no_connection() -> None:
    with serving(lambda *_: iter(())) as (fake, run):
        with run.writer() as writer:
            assert writer.flush() == 0
        assert fake.opens == []


def test_large_adds_are_split_and_small_ones_joined() -> None:
    counts: list[int] = []
    sizes: list[int] = []
    released = threading.Event()

    def script(_: int, requests: Iterator[Any], __: Any) -> Iterator[Any]:
        yield opened(message_bytes=1024)
        for request in requests:
            counts.append(len(request.batch.sample_ids))
            sizes.append(request.ByteSize())
            released.wait()
            yield ack(request.batch.batch_seq)

    with serving(script) as (_, run), run.writer() as writer:
        writer.add(range(100), rows(100))
        # While the first message is held up, these wait and join; the repeated id may not share a
        # batch.
        for sample_id in [100, 101, 102, 100]:
            writer.add(sample_id, rows(1))
        released.set()
        writer.flush(LONG_SECONDS)
    assert sum(counts) == 104
    assert max(sizes) <= 1024
    assert counts[-2:] == [3, 1]


def test_lone_small_add_goes_soon_and_others_gather_behind_it() -> None:
    counts: list[int] = []
    arrived, released = threading.Event(), threading.Event()

    def script(_: int, requests: Iterator[Any], __: Any) -> Iterator[Any]:
        yield opened()
        for request in requests:
            counts.append(len(request.batch.sample_ids))
            arrived.set()
            released.wait()
            yield ack(request.batch.batch_seq)

    with serving(script) as (_, run), run.writer() as writer:
        writer.add(0, rows(1))
        assert arrived.wait(LONG_SECONDS)
        for sample_id in range(1, 50):
            writer.add(sample_id, rows(1))
        released.set()
        writer.add(50, rows(1))
        writer.flush(LONG_SECONDS)
        assert counts[:2] in ([1, 49], [1, 50])


def test_small_adds_wait_for_others_but_not_when_flushed() -> None:
    counts: list[int] = []

    def script(_: int, requests: Iterator[Any], __: Any) -> Iterator[Any]:
        yield opened()
        for request in requests:
            counts.append(len(request.batch.sample_ids))
            yield ack(request.batch.batch_seq)

    options = datainf.WriterOptions(linger_seconds=1000)
    with serving(script) as (_, run):
        with run.writer(options=options) as writer:
            writer.add(0, rows(1))
            writer.add(1, rows(1))
            writer.flush(LONG_SECONDS)
            writer.add([2, 3, 4], rows(3))
        assert counts == [2, 3]


def test_interrupted_add_leaves_a_writer_that_works(monkeypatch: pytest.MonkeyPatch) -> None:
    received: list[Any] = []

    def script(_: int, requests: Iterator[Any], __: Any) -> Iterator[Any]:
        yield opened(message_bytes=100)  # a sample fills it
        for request in requests:
            received.append(request.batch)
            yield ack(request.batch.batch_seq)

    serialize = Batch.serialize

    def interrupted(*_: Any, **__: Any) -> list[bytes]:
        monkeypatch.setattr(Batch, "serialize", serialize)
        raise KeyboardInterrupt

    with serving(script) as (_, run), run.writer() as writer:
        writer.add(1, rows(1, 1.0))
        monkeypatch.setattr(Batch, "serialize", interrupted)
        gradients = rows(1, 2.0)
        with pytest.raises(KeyboardInterrupt):
            writer.add(2, gradients)
        gradients[:] = -1
        writer.add(3, rows(1, 3.0))
        writer.flush(LONG_SECONDS)
    assert [list(batch.sample_ids) for batch in received] == [[1], [2], [3]]
    assert [np.frombuffer(batch.gradients, "<f4")[0] for batch in received] == [1, 2, 3]


def test_sample_larger_than_a_message_travels_in_fragments() -> None:
    offsets: list[int] = []

    def script(_: int, requests: Iterator[Any], __: Any) -> Iterator[Any]:
        yield opened(message_bytes=88)
        for request in requests:
            assert request.ByteSize() <= 88
            offsets.append(request.batch.element_offset)
            if len(offsets) % DIMENSION == 0:
                yield ack(request.batch.batch_seq)

    with serving(script) as (_, run), run.writer() as writer:
        writer.add([1, 2], rows(2))
        writer.flush(LONG_SECONDS)
    assert offsets == [0, 1, 2, 3] * 2


def full_writer(run: datainf.Run, **options: Any) -> datainf.Writer:
    """Returns a writer whose buffer of 4 rows is full."""
    writer = run.writer(
        options=datainf.WriterOptions(
            max_buffered_bytes=16 * DIMENSION, close_timeout_seconds=0.05, **options
        )
    )
    writer.add(range(4), rows(4))
    return writer


def test_policy_block_waits_then_raises() -> None:
    with never_acking() as run:
        writer = full_writer(run, block_timeout_seconds=0.05)
        with pytest.raises(datainf.WriterFullError, match="64 of 64 bytes") as failure:
            writer.add([8, 9], rows(2))
        assert failure.value.accepted_count == 0
        with pytest.raises(datainf.DeadlineExceededError, match="4 samples"):
            writer.close()


def test_server_that_does_not_open_the_stream_is_named() -> None:
    ended = threading.Event()

    def script(_: int, __: Iterator[Any], ___: Any) -> Iterator[Any]:
        ended.wait()
        yield from ()

    options = datainf.WriterOptions(block_timeout_seconds=0.05, close_timeout_seconds=0.05)
    with serving(script) as (_, run):
        writer = run.writer(options=options)
        with pytest.raises(datainf.WriterFullError, match=r"not opened the stream within 0.05 s"):
            writer.add(1, rows(1))
        writer.close()
        ended.set()


def test_policy_block_goes_on_when_acks_make_room() -> None:
    go = threading.Event()

    def script(_: int, requests: Iterator[Any], __: Any) -> Iterator[Any]:
        yield opened()
        for request in requests:
            go.wait()
            yield ack(request.batch.batch_seq)

    with serving(script) as (_, run), full_writer(run) as writer:
        adder = threading.Thread(target=writer.add, args=([8, 9], rows(2)))
        adder.start()
        assert writer.stats().added_samples == 4
        go.set()
        adder.join()
        writer.flush(LONG_SECONDS)
        assert writer.stats().acked_samples == 6


def test_policy_drop_counts_whole_calls() -> None:
    with never_acking() as run:
        writer = full_writer(run, policy="drop")
        writer.add([8, 9], rows(2))
        writer.add([10], rows(1))
        stats = writer.stats()
        assert (stats.added_samples, stats.dropped_samples, stats.buffered_samples) == (4, 3, 4)
        with pytest.raises(datainf.DeadlineExceededError):
            writer.close()


def test_policy_raise_takes_nothing_of_the_call() -> None:
    with never_acking() as run:
        writer = full_writer(run, policy="raise")
        with pytest.raises(datainf.WriterFullError, match="no room for 2 samples"):
            writer.add([8, 9], rows(2))
        assert writer.stats().added_samples == 4
        with pytest.raises(datainf.DeadlineExceededError):
            writer.close()


def test_flush_timeout_leaves_the_writer_working() -> None:
    go = threading.Event()

    def script(_: int, requests: Iterator[Any], __: Any) -> Iterator[Any]:
        yield opened()
        for request in requests:
            go.wait()
            yield ack(request.batch.batch_seq, 5)

    with serving(script) as (_, run), run.writer() as writer:
        writer.add(1, rows(1))
        with pytest.raises(datainf.DeadlineExceededError, match="1 samples were not acked"):
            writer.flush(0.01)
        go.set()
        assert writer.flush(LONG_SECONDS) == 5


def test_unacked_bytes_stay_within_the_servers_limit() -> None:
    row_bytes = 4 * DIMENSION
    unacked: list[int] = []
    go = threading.Event()

    def script(_: int, requests: Iterator[Any], __: Any) -> Iterator[Any]:
        yield opened(message_bytes=1024, unacked=1024)
        batches: list[Any] = []

        def read() -> None:
            for request in requests:
                batches.append(request.batch)
                go.set()
            go.set()

        reader = threading.Thread(target=read)
        reader.start()
        acked = 0
        while reader.is_alive() or acked < len(batches):
            go.wait(LONG_SECONDS)
            go.clear()
            unacked.append(sum(len(b.sample_ids) * row_bytes for b in batches[acked:]))
            acked = len(batches)
            if acked:
                yield ack(batches[acked - 1].batch_seq)

    with serving(script) as (_, run), run.writer() as writer:
        writer.add(range(1000), rows(1000))
        writer.flush(LONG_SECONDS)
    assert max(unacked) <= 1024


def test_rejected_and_duplicate_samples_are_reported() -> None:
    def script(_: int, requests: Iterator[Any], __: Any) -> Iterator[Any]:
        yield opened()
        next(requests)
        rejected = ingest_service_pb2.RejectedSample(
            sample_id=2**64 - 1,
            block_name="b",
            reason=ingest_service_pb2.REJECTION_REASON_NAN,
            detail="element 3 is NaN",
        )
        yield ack(1, 1, duplicate_count=1, rejected_samples=[rejected])

    with serving(script) as (_, run), run.writer() as writer:
        writer.add([1, 2, 3], rows(3))
        writer.flush(LONG_SECONDS)
        assert writer.duplicates == 1
        assert writer.rejected == [
            datainf.RejectedSample(
                sample_id=2**64 - 1, block_name="b", reason="nan", detail="element 3 is NaN"
            )
        ]
        assert writer.stats().rejected_samples == 1


def test_progress_is_told_and_may_fail() -> None:
    told: list[datainf.WriterStats] = []

    def on_progress(stats: datainf.WriterStats) -> None:
        told.append(stats)
        raise ZeroDivisionError

    with serving(lambda _, requests, __: acking(requests)) as (_, run):
        with run.writer(on_progress=on_progress) as writer:
            for sample_id in range(3):
                writer.add(sample_id, rows(1))
                writer.flush(LONG_SECONDS)
        assert writer.stats().acked_samples == 3
    assert [stats.acked_samples for stats in told] == [1]


def test_many_threads_may_add() -> None:
    with serving(lambda _, requests, __: acking(requests)) as (_, run), run.writer() as writer:

        def work(first: int) -> None:
            for sample_id in range(first, first + 100):
                writer.add(sample_id, rows(1))

        threads = [threading.Thread(target=work, args=(1000 * i,)) for i in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert writer.flush(LONG_SECONDS) == 400


def test_add_after_close_is_refused() -> None:
    with serving(lambda _, requests, __: acking(requests)) as (_, run):
        writer = run.writer()
        writer.close()
        with pytest.raises(RuntimeError, match="the writer is closed"):
            writer.add(1, rows(1))


def test_bar_shows_acked_samples(capsys: pytest.CaptureFixture[str]) -> None:
    with serving(lambda _, requests, __: acking(requests)) as (_, run):
        with run.writer(progress=True) as writer:
            writer.add(range(3), rows(3))
        assert writer.stats().acked_samples == 3
    shown = capsys.readouterr().err
    assert "3 samples" in shown
    assert "0.0 MB" in shown


def test_bar_without_tqdm_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tqdm.auto", None)
    with (
        serving(lambda *_: iter(())) as (_, run),
        pytest.raises(ImportError, match=r"pip install 'datainf-client\[progress\]'"),
    ):
        run.writer(progress=True)


def _forget_writer(run: datainf.Run) -> threading.Thread:
    writer = run.writer(writer_id="forgotten")
    writer.add(1, rows(1))
    writer.flush(LONG_SECONDS)
    return next(t for t in threading.enumerate() if t.name == "datainf-writer-forgotten")


def test_forgotten_writer_warns_and_its_thread_ends() -> None:
    with serving(lambda _, requests, __: acking(requests)) as (_, run):
        with pytest.warns(ResourceWarning, match="forgotten was not closed"):
            thread = _forget_writer(run)
        thread.join(LONG_SECONDS)
        assert not thread.is_alive()


@pytest.mark.parametrize(
    ("ids", "gradients", "steps", "message"),
    [
        ([1], rows(2), None, "1 sample_ids for 2 gradients"),
        ([1, 1], rows(2), None, "holds 1 twice"),
        ([1], np.zeros(3, np.float32), None, r"expected \[k, 4\] or \[4\]"),
        ([1, 2], rows(2), [1], r"steps has dtype int64 and shape \(1,\)"),
        ([1], rows(1), [1.5], "steps has dtype float64"),
    ],
)
def test_wrong_arguments_are_named_before_anything_is_sent(
    ids: Any, gradients: Any, steps: Any, message: str
) -> None:
    with serving(lambda *_: iter(())) as (fake, run):
        writer = run.writer()
        with pytest.raises(ValueError, match=message):
            writer.add(ids, gradients, steps)
        assert fake.opens == []
