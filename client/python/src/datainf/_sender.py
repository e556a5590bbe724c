"""The background thread of a writer: one stream after the other until all is acked."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Iterator
from typing import Any

import grpc

from datainf._batch import Limits
from datainf._connection import Connection
from datainf._errors import DataInfError, error_of, from_rpc_error, with_context
from datainf._options import WriterOptions
from datainf._outbox import Outbox
from datainf._progress import Progress
from datainf._proto.v1 import ingest_service_pb2, run_service_pb2
from datainf._shared import open_region
from datainf._stats import RejectedSample

_log = logging.getLogger("datainf")

_REASONS = {
    ingest_service_pb2.REJECTION_REASON_NAN: "nan",
    ingest_service_pb2.REJECTION_REASON_INFINITE: "infinite",
}


class Backoff:
    """Decides whether and when to try again: jittered exponential waits up to a total deadline."""

    def __init__(self, options: WriterOptions, clock: Callable[[], float] = time.monotonic) -> None:
        self._options = options
        self._clock = clock
        self._attempts = 0
        self._failing_since: float | None = None

    def progress(self) -> None:
        """Ends an outage: the next one starts with short waits and the whole deadline."""
        self._attempts = 0
        self._failing_since = None

    def delay_seconds(self, error: DataInfError) -> float | None:
        """Returns how long to wait after `error`, or None to give up."""
        if not _may_retry(error):
            return None
        now = self._clock()
        if self._failing_since is None:
            self._failing_since = now
        mean = min(
            self._options.retry_initial_seconds * 2.0**self._attempts,
            self._options.retry_max_seconds,
        )
        self._attempts = min(self._attempts + 1, 60)
        delay = mean * random.uniform(0.5, 1.5)  # noqa: S311  # spreads writers, hides nothing
        if error.retry_after is not None:
            delay = error.retry_after.total_seconds()
        ends = self._failing_since + self._options.retry_deadline_seconds
        return delay if now + delay <= ends else None


def _may_retry(error: DataInfError) -> bool:
    """True for what a new stream can mend; batch numbers make sending again safe."""
    return (
        error.code is grpc.StatusCode.UNAVAILABLE
        # The stream was reset by somebody else: we cancel only when all is over.
        or error.code is grpc.StatusCode.CANCELLED
        # The checksum did not match: bits changed between here and there.
        or error.code is grpc.StatusCode.DATA_LOSS
        or (error.code is grpc.StatusCode.RESOURCE_EXHAUSTED and error.retry_after is not None)
    )


class Sender:
    """Moves batches from an outbox to the server; `run` is the thread."""

    def __init__(
        self,
        connection: Connection,
        opening: ingest_service_pb2.Open,
        outbox: Outbox,
        options: WriterOptions,
        listeners: list[Progress],
    ) -> None:
        self._connection = connection
        self._opening = opening
        self._outbox = outbox
        self._backoff = Backoff(options)
        self._listeners = listeners
        self._call: Any = None

    def run(self) -> None:
        """Works until the outbox is finished. Never raises: errors go to the outbox."""
        try:
            while not self._outbox.is_finished():
                try:
                    self._stream()
                    error = error_of(grpc.StatusCode.UNAVAILABLE, "the server ended the stream")
                except grpc.RpcError as failure:
                    error = from_rpc_error(failure)
                except DataInfError as failure:
                    error = failure
                if self._outbox.is_finished():
                    return
                delay = self._backoff.delay_seconds(error)
                if delay is None:
                    raise error
                _log.info("stream ended, trying again in %.1f s: %s", delay, error)
                self._outbox.wait_finished(delay)
        except DataInfError as error:
            context = f"writer {self._opening.writer_id!r} of run {self._opening.run_id!r} failed"
            self._outbox.fail(with_context(context, error))
        except Exception as error:  # whoever waits for acks must learn of it
            _log.exception("writer failed")
            self._outbox.fail(error_of(grpc.StatusCode.INTERNAL, f"writer failed: {error!r}"))

    def cancel(self) -> None:
        """Ends the current stream. For use after the outbox was told to fail."""
        if self._call is not None:
            self._call.cancel()

    def _stream(self) -> None:
        """Runs one stream to its end.

        Raises:
            grpc.RpcError: It ended with another status than OK.
            DataInfError: The server's answer does not fit what was sent before.
        """
        stream = self._outbox.begin_stream()
        self._call = self._connection.ingest(self._messages(stream))
        if self._outbox.is_finished():  # failed while there was no call to cancel
            self._call.cancel()
        try:
            for response in self._call:
                if response.HasField("opened"):
                    self._take_opened(response.opened)
                elif response.HasField("ack"):
                    self._take_ack(response.ack)
        finally:
            self._outbox.end_stream()  # ends _messages, on a thread of gRPC's
            self._call.cancel()

    def _messages(self, stream: int) -> Iterator[bytes]:
        """Yields the requests of a stream; gRPC takes the next one when the last is on its way."""
        request = ingest_service_pb2.IngestRequest(open=self._opening)
        request.open.stream_number = stream
        yield request.SerializeToString()
        while (batch := self._outbox.next_batch(stream)) is not None:
            yield from batch.messages

    def _take_opened(self, opened: ingest_service_pb2.Opened) -> None:
        revision = 0
        if opened.resume_after_batch_seq > self._outbox.stats().durable_batch_seq:
            # Durable without an ack that would have told the revision.
            request = run_service_pb2.GetRunRequest(run_id=self._opening.run_id)
            options = self._connection.options
            revision = self._connection.call(
                self._connection.runs.GetRun, request, options.timeout_seconds
            ).run.revision
        limits = Limits(opened.max_message_bytes, opened.max_unacked_bytes)
        region = open_region(opened.shared_memory) if opened.HasField("shared_memory") else None
        self._outbox.resume(opened.resume_after_batch_seq, limits, revision, region)
        if self._outbox.is_empty():
            self._backoff.progress()

    def _take_ack(self, ack: ingest_service_pb2.Ack) -> None:
        self._backoff.progress()
        rejected = [
            RejectedSample(
                sample_id=sample.sample_id,
                block_name=sample.block_name,
                reason=_REASONS.get(sample.reason, str(sample.reason)),
                detail=sample.detail,
            )
            for sample in ack.rejected_samples
        ]
        self._outbox.acknowledge(
            ack.durable_batch_seq, ack.revision, ack.replaced_count, ack.duplicate_count, rejected
        )
        for listener in list(self._listeners):
            try:
                listener(self._outbox.stats())
            except Exception:  # the user's code must not stop the stream
                _log.exception("on_progress failed and is not called again")
                self._listeners.remove(listener)
