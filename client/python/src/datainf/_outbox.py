"""Samples between `Writer.add` and their ack."""

from __future__ import annotations

import collections
import dataclasses
import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import grpc

from datainf._errors import DataInfError, DeadlineExceededError, WriterFullError, error_of
from datainf._frames import Rows, batch_message, fragment_messages, rows_per_message
from datainf._options import WriterOptions
from datainf._stats import RejectedSample, WriterStats

_log = logging.getLogger("datainf")

# Rejected samples are kept for the user up to this number; all are counted.
_MAX_KEPT_REJECTIONS = 10_000


@dataclasses.dataclass(slots=True)
class Batch:
    """A batch whose number is fixed, as it goes on the wire, once or again."""

    batch_seq: int
    messages: list[bytes]
    sample_count: int
    gradient_bytes: int


@dataclasses.dataclass(frozen=True, slots=True)
class Limits:
    """What the server allows on a stream, in bytes."""

    max_message_bytes: int
    max_unacked_bytes: int


class Outbox:
    """Batches in order of their numbers: those sent on the current stream, then those waiting.

    Producers put samples in, the sender takes batches out and reports acks; a batch leaves when it
    is durable. Small puts are staged and joined into one batch, sealed when it is full or the
    sender has nothing else to do. All fields are guarded by `_changed`, which is notified at each
    change.
    """

    def __init__(
        self, options: WriterOptions, row_bytes: int, *, allow_deleted: bool = False
    ) -> None:
        self._options = options
        self._row_bytes = row_bytes
        self._allow_deleted = allow_deleted
        self._changed = threading.Condition()
        self._message_bytes: int | None = None  # None until the server has answered Open once
        self._max_unacked_bytes = 0
        self._stream = 0
        self._stream_opened = False
        self._next_seq = 1
        self._batches: collections.deque[Batch] = collections.deque()
        self._sent_count = 0
        self._sent_bytes = 0
        self._staged: list[Rows] = []
        self._staged_ids: set[int] = set()
        self._closing = False
        self._error: DataInfError | None = None
        self._rejected: list[RejectedSample] = []
        self._stats = WriterStats()

    # For producers.

    def put(self, rows: Rows) -> None:
        """Copies samples in. Waits until the first stream is open; then the policy decides.

        Raises:
            WriterFullError: There was no room.
            DataInfError: The writer has failed.
        """
        blocking = self._options.policy == "block"
        deadline = time.monotonic() + self._options.block_timeout_seconds
        with self._changed:
            self._wait_for(lambda: self._message_bytes is not None, deadline, 0)
            if not blocking and not self._has_room(rows.gradients.nbytes):
                self._refuse(len(rows.sample_ids))
                return
            accepted = 0
            for piece in self._pieces(rows):
                if blocking:
                    self._wait_for(self._room_for(piece), deadline, accepted)
                self._append(piece)
                accepted += len(piece.sample_ids)

    def flush(self, timeout_seconds: float | None) -> int:
        """Waits until all that was put before is durable; returns a revision that includes it.

        Raises:
            DeadlineExceededError: The time ran out; nothing is lost by that.
            DataInfError: The writer has failed.
        """
        with self._changed:
            self._seal()
            self._changed.notify_all()
            last = self._next_seq - 1
            self._changed.wait_for(
                lambda: self._error is not None or self._stats.durable_batch_seq >= last,
                timeout_seconds,
            )
            if self._error is not None:
                raise self._error.with_traceback(None)
            if self._stats.durable_batch_seq < last:
                raise DeadlineExceededError(
                    f"{self._stats.buffered_samples} samples were not acked within"
                    f" {timeout_seconds} s; they are still on their way",
                    code=grpc.StatusCode.DEADLINE_EXCEEDED,
                )
            return self._stats.revision

    def close(self) -> None:
        """Lets the sender end its stream after the last batch."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()

    def fail(self, error: DataInfError) -> None:
        """Ends all: whoever waits or comes gets `error`. The first error stays."""
        with self._changed:
            if self._error is None:
                self._error = error
                self._batches.clear()
                self._staged.clear()
                self._changed.notify_all()

    def raise_if_failed(self) -> None:
        """Raises the error that ended the writer, if any did."""
        with self._changed:
            if self._error is not None:
                raise self._error.with_traceback(None)

    def stats(self) -> WriterStats:
        """Returns the counts as they are now."""
        with self._changed:
            return self._stats

    def rejected(self) -> list[RejectedSample]:
        """Returns the samples that the server refused."""
        with self._changed:
            return list(self._rejected)

    # For the sender.

    def is_empty(self) -> bool:
        """True if all that was put is durable."""
        with self._changed:
            return not self._batches and not self._staged

    def is_finished(self) -> bool:
        """True if nothing is left to do: failed, or closed with everything durable."""
        with self._changed:
            return self._error is not None or (self._closing and self.is_empty())

    def wait_finished(self, timeout_seconds: float) -> bool:
        """Waits until it is finished, at most so long; returns whether it is."""
        with self._changed:
            return self._changed.wait_for(self.is_finished, timeout_seconds)

    def begin_stream(self) -> int:
        """Returns the number of a new stream."""
        self.end_stream()
        return self._stream

    def end_stream(self) -> None:
        """Gives the current stream no more batches."""
        with self._changed:
            self._stream += 1
            self._stream_opened = False
            self._changed.notify_all()

    def resume(self, resume_after: int, limits: Limits, revision: int) -> None:
        """Takes in the answer to Open: what comes after `resume_after` is sent again.

        Args:
            resume_after: The server's resume point.
            limits: The server's limits.
            revision: A revision that includes the batches up to there; 0 if they were acked before.

        Raises:
            DataInfError: The answer contradicts what was acked or made, or what waits is too large
                now.
        """
        with self._changed:
            first = self._message_bytes is None
            if first:
                self._next_seq = resume_after + 1
            elif not self._stats.durable_batch_seq <= resume_after < self._next_seq:
                raise error_of(
                    grpc.StatusCode.FAILED_PRECONDITION,
                    f"the server goes on after batch {resume_after}, but this writer has acks up to"
                    f" {self._stats.durable_batch_seq} and has made {self._next_seq - 1}: the"
                    " server's data were replaced, or another process uses this writer_id",
                )
            recovered = self._drop_through(resume_after)
            largest = max((len(m) for batch in self._batches for m in batch.messages), default=0)
            if largest > limits.max_message_bytes:
                raise error_of(
                    grpc.StatusCode.FAILED_PRECONDITION,
                    f"the server now takes messages of at most {limits.max_message_bytes} bytes,"
                    f" but one of {largest} bytes waits to be sent again",
                )
            self._message_bytes = min(self._options.message_bytes, limits.max_message_bytes)
            self._max_unacked_bytes = limits.max_unacked_bytes
            self._sent_count = 0
            self._sent_bytes = 0
            self._stream_opened = True
            self._update(
                durable_batch_seq=resume_after,
                revision=max(self._stats.revision, revision),
                reconnects=self._stats.reconnects + (0 if first else 1),
                recovered_batches=self._stats.recovered_batches + recovered,
            )

    def next_batch(self, stream: int) -> Batch | None:
        """Waits for the next batch to send on `stream`; None when it has no more to send."""
        with self._changed:
            while stream == self._stream and self._error is None:
                if self._stream_opened:
                    if self._sent_count == len(self._batches):
                        self._seal()
                    if self._sent_count < len(self._batches):
                        batch = self._batches[self._sent_count]
                        sent_bytes = self._sent_bytes + batch.gradient_bytes
                        if self._sent_count == 0 or sent_bytes <= self._max_unacked_bytes:
                            self._sent_count += 1
                            self._sent_bytes = sent_bytes
                            return batch
                    elif self._closing:
                        return None
                self._changed.wait()
            return None

    def acknowledge(
        self,
        durable_batch_seq: int,
        revision: int,
        replaced_count: int,
        duplicate_count: int,
        rejected: Sequence[RejectedSample],
    ) -> None:
        """Takes in one ack."""
        with self._changed:
            if rejected and not self._rejected:
                _log.warning(
                    "sample %d was rejected: %s", rejected[0].sample_id, rejected[0].detail
                )
            self._rejected.extend(rejected[: _MAX_KEPT_REJECTIONS - len(self._rejected)])
            self._drop_through(durable_batch_seq)
            self._update(
                durable_batch_seq=max(self._stats.durable_batch_seq, durable_batch_seq),
                revision=max(self._stats.revision, revision),
                replaced_samples=self._stats.replaced_samples + replaced_count,
                duplicate_samples=self._stats.duplicate_samples + duplicate_count,
                rejected_samples=self._stats.rejected_samples + len(rejected),
            )

    # With the lock held.

    def _wait_for(self, condition: Callable[[], bool], deadline: float, accepted: int) -> None:
        self._changed.wait_for(
            lambda: self._error is not None or condition(), max(deadline - time.monotonic(), 0)
        )
        if self._error is not None:
            raise self._error.with_traceback(None)
        if not condition():
            raise WriterFullError(
                f"no room within {self._options.block_timeout_seconds} s:"
                f" {self._stats.buffered_bytes} of {self._options.max_buffered_bytes} bytes wait"
                f" for acks; {accepted} samples of this call were taken",
                accepted_count=accepted,
            )

    def _has_room(self, gradient_bytes: int) -> bool:
        buffered = self._stats.buffered_bytes
        return buffered == 0 or buffered + gradient_bytes <= self._options.max_buffered_bytes

    def _room_for(self, piece: Rows) -> Callable[[], bool]:
        return lambda: self._has_room(piece.gradients.nbytes)

    def _refuse(self, sample_count: int) -> None:
        """Applies the policies `drop` and `raise`."""
        if self._options.policy == "raise":
            raise WriterFullError(
                f"{self._stats.buffered_bytes} of {self._options.max_buffered_bytes} bytes wait for"
                f" acks, no room for {sample_count} samples more",
                accepted_count=0,
            )
        if self._stats.dropped_samples == 0:
            _log.warning("the buffer is full: samples are dropped, as the policy says")
        self._update(dropped_samples=self._stats.dropped_samples + sample_count)

    def _pieces(self, rows: Rows) -> Iterator[Rows]:
        """Yields parts of `rows` that fit into one batch each."""
        length = max(self._rows_per_message(), 1)
        for start in range(0, len(rows.sample_ids), length):
            part = slice(start, start + length)
            yield Rows(rows.sample_ids[part], rows.steps[part], rows.gradients[part])

    def _append(self, piece: Rows) -> None:
        fitting = self._rows_per_message()
        if 2 * len(piece.sample_ids) >= fitting:
            self._seal()
            self._add_batch([piece])
        else:
            staged = len(self._staged_ids)
            if (
                staged + len(piece.sample_ids) > fitting
                or not self._staged_ids.isdisjoint(piece.sample_ids)
                or (staged and bool(self._staged[0].steps) != bool(piece.steps))
            ):
                self._seal()
            self._staged.append(Rows(piece.sample_ids, piece.steps, piece.gradients.copy()))
            self._staged_ids.update(piece.sample_ids)
        count = len(piece.sample_ids)
        self._update(
            added_samples=self._stats.added_samples + count,
            added_bytes=self._stats.added_bytes + piece.gradients.nbytes,
            buffered_samples=self._stats.buffered_samples + count,
            buffered_bytes=self._stats.buffered_bytes + piece.gradients.nbytes,
        )

    def _seal(self) -> None:
        """Makes a batch of what is staged, if anything is."""
        if self._staged:
            self._add_batch(self._staged)
            self._staged = []
            self._staged_ids = set()

    def _add_batch(self, parts: Sequence[Rows]) -> None:
        assert self._message_bytes is not None  # noqa: S101  # put() waited for it
        sample_ids = [i for part in parts for i in part.sample_ids]
        steps = [step for part in parts for step in part.steps]
        gradients = [part.gradients for part in parts]
        if self._rows_per_message() == 0:
            messages = list(
                fragment_messages(
                    self._next_seq,
                    parts[0],
                    self._message_bytes,
                    allow_deleted=self._allow_deleted,
                )
            )
        else:
            messages = [
                batch_message(
                    self._next_seq,
                    sample_ids,
                    steps,
                    gradients,
                    allow_deleted=self._allow_deleted,
                )
            ]
        gradient_bytes = sum(array.nbytes for array in gradients)
        self._batches.append(Batch(self._next_seq, messages, len(sample_ids), gradient_bytes))
        self._next_seq += 1

    def _rows_per_message(self) -> int:
        assert self._message_bytes is not None  # noqa: S101  # put() waited for it
        return rows_per_message(self._row_bytes, self._message_bytes)

    def _drop_through(self, batch_seq: int) -> int:
        """Lets go of batches that are durable; returns how many."""
        dropped = 0
        samples = 0
        gradient_bytes = 0
        while self._batches and self._batches[0].batch_seq <= batch_seq:
            batch = self._batches.popleft()
            dropped += 1
            samples += batch.sample_count
            gradient_bytes += batch.gradient_bytes
            if self._sent_count > 0:
                self._sent_count -= 1
                self._sent_bytes -= batch.gradient_bytes
        self._update(
            acked_samples=self._stats.acked_samples + samples,
            buffered_samples=self._stats.buffered_samples - samples,
            buffered_bytes=self._stats.buffered_bytes - gradient_bytes,
        )
        return dropped

    def _update(self, **changes: Any) -> None:
        self._stats = dataclasses.replace(self._stats, **changes)
        self._changed.notify_all()
