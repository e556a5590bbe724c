"""What a writer does when the other end fails or misbehaves."""

from __future__ import annotations

import contextlib
import datetime
import queue
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from fake_server import (
    LONG_SECONDS,
    abort,
    ack,
    acking,
    never_acking,
    opened,
    rows,
    serving,
)

import datainf
from datainf._batch import Limits
from datainf._errors import UnavailableError, error_of
from datainf._frames import Rows
from datainf._outbox import Outbox
from datainf._sender import Backoff

QUICK = datainf.WriterOptions(retry_initial_seconds=0.01, retry_max_seconds=0.05)


def test_unavailable_once_resumes_and_sends_only_what_is_not_durable() -> None:
    sequences: list[list[int]] = [[], []]
    arrived: queue.Queue[int] = queue.Queue()

    def script(stream: int, requests: Iterator[Any], context: Any) -> Iterator[Any]:
        yield opened(2 if stream else 0, message_bytes=100)  # a sample fills it
        for request in requests:
            sequences[stream].append(request.batch.batch_seq)
            arrived.put(request.batch.batch_seq)
            if stream == 0 and request.batch.batch_seq == 3:
                # Batch 1 acked, batch 2 durable without its ack, batch 3 lost.
                abort(context, grpc.StatusCode.UNAVAILABLE, "stopping", 0.01)
            if stream == 1 or request.batch.batch_seq == 1:
                yield ack(request.batch.batch_seq, 10 * request.batch.batch_seq)

    with serving(script) as (fake, run):
        fake.revision = 25
        with run.writer(options=QUICK) as writer:
            for sample_id in range(3):
                writer.add(sample_id, rows(1))
                arrived.get(timeout=LONG_SECONDS)
            assert writer.flush(LONG_SECONDS) == 30
        assert len({(each.writer_id, each.writer_instance) for each in fake.opens}) == 1
        assert fake.opens[0].writer_instance != 0
        assert fake.opens[0].stream_number < fake.opens[1].stream_number
    assert sequences == [[1, 2, 3], [3]]
    stats = writer.stats()
    assert (stats.reconnects, stats.recovered_batches, stats.acked_samples) == (1, 1, 3)


def test_flush_after_a_lost_ack_returns_a_revision_that_includes_the_batch() -> None:
    def script(stream: int, requests: Iterator[Any], context: Any) -> Iterator[Any]:
        yield opened(stream)
        if stream == 0:
            next(requests)
            abort(context, grpc.StatusCode.UNAVAILABLE, "died after making batch 1 durable")
        yield from (ack(request.batch.batch_seq) for request in requests)

    with serving(script) as (fake, run):
        fake.revision = 77
        with run.writer(options=QUICK) as writer:
            writer.add(1, rows(1))
            assert writer.flush(LONG_SECONDS) == 77


# A checksum that does not match; a stream that somebody on the way reset.
@pytest.mark.parametrize("code", [grpc.StatusCode.DATA_LOSS, grpc.StatusCode.CANCELLED])
def test_spoilt_stream_is_sent_again(code: grpc.StatusCode) -> None:
    def script(stream: int, requests: Iterator[Any], context: Any) -> Iterator[Any]:
        if stream == 0:
            yield opened()
            next(requests)
            abort(context, code, "spoilt")
        yield from acking(requests)

    with serving(script) as (_, run), run.writer(options=QUICK) as writer:
        writer.add(1, rows(1))
        assert writer.flush(LONG_SECONDS) == 1
        assert writer.stats().reconnects == 1


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (grpc.StatusCode.ABORTED, datainf.DataInfError),
        (grpc.StatusCode.INVALID_ARGUMENT, datainf.InvalidArgumentError),
        (grpc.StatusCode.FAILED_PRECONDITION, datainf.FailedPreconditionError),
        (grpc.StatusCode.NOT_FOUND, datainf.NotFoundError),
        # Without RetryInfo: a message that is too large stays too large.
        (grpc.StatusCode.RESOURCE_EXHAUSTED, datainf.ResourceExhaustedError),
    ],
)
def test_final_error_surfaces_everywhere_and_is_not_tried_again(
    code: grpc.StatusCode, kind: type[datainf.DataInfError]
) -> None:
    def script(_: int, requests: Iterator[Any], context: Any) -> Iterator[Any]:
        yield opened()
        next(requests)
        abort(context, code, "that will not do")

    with serving(script) as (fake, run):
        writer = run.writer(options=QUICK, writer_id="w")
        writer.add([1, 2], rows(2))
        for act in (writer.flush, lambda: writer.add(3, rows(1)), writer.close, writer.close):
            with pytest.raises(kind, match="writer 'w' of run 'r' failed: that will not do"):
                act()
        assert len(fake.opens) == 1
        assert writer.stats().buffered_samples == 2


def test_error_at_open_surfaces_at_the_first_add() -> None:
    def script(_: int, __: Iterator[Any], context: Any) -> Iterator[Any]:
        abort(context, grpc.StatusCode.FAILED_PRECONDITION, "layout_hash is not the run's")
        yield

    with serving(script) as (_, run):
        writer = run.writer()
        with pytest.raises(datainf.FailedPreconditionError, match="layout_hash"):
            writer.add(1, rows(1))


def test_outage_longer_than_the_deadline_is_an_error() -> None:
    def script(_: int, __: Iterator[Any], context: Any) -> Iterator[Any]:
        abort(context, grpc.StatusCode.UNAVAILABLE, "down")
        yield

    options = datainf.WriterOptions(retry_initial_seconds=0.01, retry_deadline_seconds=0.1)
    with serving(script) as (fake, run):
        with (
            pytest.raises(datainf.UnavailableError, match="down"),
            run.writer(options=options) as w,
        ):
            w.add(1, rows(1))
        assert len(fake.opens) > 1


def test_resumed_writer_counts_on_from_the_server() -> None:
    sequences: list[int] = []

    def script(_: int, requests: Iterator[Any], __: Any) -> Iterator[Any]:
        yield opened(41)
        for request in requests:
            sequences.append(request.batch.batch_seq)
            yield ack(request.batch.batch_seq)

    with serving(script) as (_, run), run.writer(writer_id="rank-0") as writer:
        writer.add(1, rows(1))
        writer.flush(LONG_SECONDS)
        assert writer.durable_batch_seq == 42
    assert sequences == [42]


def test_server_that_lost_acked_batches_is_an_error() -> None:
    def script(stream: int, requests: Iterator[Any], context: Any) -> Iterator[Any]:
        yield opened()
        if stream == 0:
            next(requests)
            yield ack(1)
            next(requests)
            abort(context, grpc.StatusCode.UNAVAILABLE, "replaced by an empty one")

    with serving(script) as (_, run):
        writer = run.writer(options=QUICK)
        writer.add(1, rows(1))
        writer.flush(LONG_SECONDS)
        writer.add(2, rows(1))
        with pytest.raises(
            datainf.FailedPreconditionError, match=r"goes on after batch 0, .* up to 1"
        ):
            writer.flush(LONG_SECONDS)


def test_exception_in_the_block_is_not_hidden_and_samples_are_sent() -> None:
    with serving(lambda _, requests, __: acking(requests)) as (_, run):
        writer = run.writer()
        with pytest.raises(ZeroDivisionError):
            _add_and_raise(writer)
        assert writer.stats().acked_samples == 1

    def failing(_: int, __: Iterator[Any], context: Any) -> Iterator[Any]:
        abort(context, grpc.StatusCode.INVALID_ARGUMENT, "no")
        yield

    with serving(failing) as (_, run), pytest.raises(ZeroDivisionError):
        _add_and_raise(run.writer())


def _add_and_raise(writer: datainf.Writer) -> None:
    with writer:
        with contextlib.suppress(datainf.DataInfError):
            writer.add(1, rows(1))
        raise ZeroDivisionError


def test_client_closed_under_a_writer_is_an_error() -> None:
    with never_acking() as run:
        writer = run.writer(options=QUICK)
        writer.add(1, rows(1))
        run._connection.close()
        with pytest.raises(datainf.DataInfError, match=r"writer '.*' of run 'r' failed: "):
            writer.close()


def test_backoff_grows_with_jitter_up_to_the_deadline_and_progress_resets_it() -> None:
    now = [0.0]
    options = datainf.WriterOptions(
        retry_initial_seconds=1, retry_max_seconds=4, retry_deadline_seconds=20
    )
    backoff = Backoff(options, clock=lambda: now[0])
    down = error_of(grpc.StatusCode.UNAVAILABLE, "down")
    for mean in (1, 2, 4, 4):
        delay = backoff.delay_seconds(down)
        assert delay is not None
        assert 0.5 * mean <= delay <= 1.5 * mean
    now[0] = 20.0
    assert backoff.delay_seconds(down) is None
    backoff.progress()
    delay = backoff.delay_seconds(down)
    assert delay is not None
    assert delay <= 1.5


def test_retry_info_wins_over_backoff() -> None:
    asked = UnavailableError(
        "down", code=grpc.StatusCode.UNAVAILABLE, retry_after=datetime.timedelta(seconds=7)
    )
    assert Backoff(datainf.WriterOptions()).delay_seconds(asked) == 7


def test_writer_waits_as_long_as_the_server_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []

    def wait_finished(_: Outbox, seconds: float) -> bool:
        waits.append(seconds)
        return False

    def script(stream: int, requests: Iterator[Any], context: Any) -> Iterator[Any]:
        if stream < 2:
            abort(context, grpc.StatusCode.UNAVAILABLE, "the disk takes no writes", 0.75)
        yield from acking(requests)

    monkeypatch.setattr(Outbox, "wait_finished", wait_finished)
    with serving(script) as (_, run):
        writer = run.writer()
        writer.add(1, rows(1))
        assert writer.flush(LONG_SECONDS) == 1
        monkeypatch.undo()
        writer.close()
    assert waits == [0.75, 0.75]


def test_staged_samples_wait_for_the_next_stream_without_a_timer() -> None:
    outbox = Outbox(datainf.WriterOptions(linger_seconds=1e-9), 16)
    limits = Limits(max_message_bytes=1 << 20, max_unacked_bytes=1 << 20)
    outbox.begin_stream()
    outbox.resume(0, limits, 0)
    outbox.put(Rows([1], [], rows(1)))
    assert outbox._linger_seconds() == 0
    stream = outbox.begin_stream()
    assert outbox._linger_seconds() is None
    outbox.resume(0, limits, 0)
    batch = outbox.next_batch(stream)
    assert batch is not None
    assert batch.batch_seq == 1
