"""Samples between `Writer.add` and their ack."""

from __future__ import annotations

import collections
import threading
import time
from collections.abc import Callable, Sequence

import grpc

from datainf._batch import Batch, Limits
from datainf._errors import DataInfError, DeadlineExceededError, WriterFullError, error_of
from datainf._frames import Rows, rows_per_batch
from datainf._options import WriterOptions
from datainf._shared import SharedRegion
from datainf._staging import Stage
from datainf._stats import RejectedSample, WriterStats
from datainf._tally import Tally


class Outbox:
    """Batches in order of their numbers: those sent on the current stream, then those waiting.

    Producers put samples in, the sender takes batches out and reports acks; a batch leaves when it
    is durable. A put of at least half a message becomes a batch at once, in one copy and without
    holding the lock. Smaller ones are staged and joined into one batch, sealed when it is full, or
    when nothing is on its way and they have waited for a while: until then small puts gather.

    All fields are guarded by `_lock`, each of whose conditions has its own waiters.
    """

    def __init__(
        self, options: WriterOptions, row_bytes: int, *, allow_deleted: bool = False
    ) -> None:
        self._options = options
        self._row_bytes = row_bytes
        self._allow_deleted = allow_deleted
        self._lock = threading.RLock()
        self._room = threading.Condition(self._lock)  # producers
        self._work = threading.Condition(self._lock)  # the sender's stream
        self._settled = threading.Condition(self._lock)  # flush, close, and waits between streams
        self._message_bytes = 0  # 0 until the server has answered Open once
        self._limit_bytes = 0
        self._max_unacked_bytes = 0
        self._stream = 0
        self._stream_opened = False
        self._region: SharedRegion | None = None  # the current stream's
        self._next_seq = 1
        self._batches: collections.deque[Batch] = collections.deque()
        self._sent_count = 0
        self._sent_bytes = 0
        self._stage = Stage()
        self._closing = False
        self._error: DataInfError | None = None
        self._tally = Tally()

    # For producers.

    def put(self, rows: Rows) -> None:
        """Copies samples in. Waits until the first stream is open; then the policy decides.

        Raises:
            WriterFullError: There was no room.
            DataInfError: The writer has failed.
        """
        deadline = time.monotonic() + self._options.block_timeout_seconds
        with self._lock:
            self._wait_for(self._is_opened_once, deadline, 0)
            if self._options.policy != "block":
                if not self._has_room(rows.gradients.nbytes):
                    self._refuse(len(rows.sample_ids))
                    return
                self._tally.take(len(rows.sample_ids), rows.gradients.nbytes)
            most = self._rows_per_batch()
        accepted = 0
        for piece in rows.pieces(most):
            self._put_piece(piece, deadline, accepted)
            accepted += len(piece.sample_ids)

    def flush(self, timeout_seconds: float | None) -> int:
        """Waits until all that was put before is durable; returns a revision that includes it.

        Raises:
            DeadlineExceededError: The time ran out; nothing is lost by that.
            DataInfError: The writer has failed.
        """
        with self._lock:
            self._seal()
            last = self._next_seq - 1
            self._settled.wait_for(
                lambda: self._error is not None or self._tally["durable_batch_seq"] >= last,
                timeout_seconds,
            )
            self.raise_if_failed()
            if self._tally["durable_batch_seq"] < last:
                raise DeadlineExceededError(
                    f"{self._tally['buffered_samples']} samples were not acked within"
                    f" {timeout_seconds} s; they are still on their way",
                    code=grpc.StatusCode.DEADLINE_EXCEEDED,
                )
            return self._tally["revision"]

    def close(self) -> None:
        """Lets the sender end its stream after the last batch."""
        with self._lock:
            self._closing = True
            self._seal()
            self._notify_all()

    def fail(self, error: DataInfError) -> None:
        """Ends all: whoever waits or comes gets `error`. The first error stays."""
        with self._lock:
            if self._error is None:
                self._error = error
                self._batches.clear()
                self._stage.clear()
                self._notify_all()

    def raise_if_failed(self) -> None:
        """Raises the error that ended the writer, if any did."""
        with self._lock:
            if self._error is not None:
                raise self._error.with_traceback(None)

    def stats(self) -> WriterStats:
        """Returns the counts as they are now."""
        with self._lock:
            return WriterStats(**self._tally.counts)

    def rejected(self) -> list[RejectedSample]:
        """Returns the samples that the server refused."""
        with self._lock:
            return list(self._tally.rejected)

    # For the sender.

    def is_empty(self) -> bool:
        """True if all that was put is durable."""
        with self._lock:
            return not self._batches and not self._stage

    def is_finished(self) -> bool:
        """True if nothing is left to do: failed, or closed with everything durable."""
        with self._lock:
            return self._error is not None or (self._closing and self.is_empty())

    def wait_finished(self, timeout_seconds: float) -> bool:
        """Waits until it is finished, at most so long; returns whether it is."""
        with self._lock:
            return self._settled.wait_for(self.is_finished, timeout_seconds)

    def begin_stream(self) -> int:
        """Returns the number of a new stream."""
        self.end_stream()
        return self._stream

    def end_stream(self) -> None:
        """Gives the current stream no more batches."""
        with self._lock:
            self._stream += 1
            self._stream_opened = False
            self._region = None
            self._work.notify_all()

    def resume(
        self,
        resume_after: int,
        limits: Limits,
        revision: int,
        region: SharedRegion | None = None,
    ) -> None:
        """Takes in the answer to Open: what comes after `resume_after` is sent again.

        Args:
            resume_after: The server's resume point.
            limits: The server's limits.
            revision: A revision that includes the batches up to there; 0 if they were acked before.
            region: Memory that the stream shares with the server.

        Raises:
            DataInfError: The answer contradicts what was acked or made, or what waits is too large
                now.
        """
        with self._lock:
            first = self._message_bytes == 0
            durable = self._tally["durable_batch_seq"]
            if first:
                self._next_seq = resume_after + 1
            elif not durable <= resume_after < self._next_seq:
                raise error_of(
                    grpc.StatusCode.FAILED_PRECONDITION,
                    f"the server goes on after batch {resume_after}, but this writer has acks up to"
                    f" {durable} and has made {self._next_seq - 1}: the server's data were"
                    " replaced, or another process uses this writer_id",
                )
            self._seal()
            recovered = self._drop_through(resume_after)
            for batch in self._batches:
                batch.withdraw()
            self._region = region
            largest = max((batch.largest_bytes() for batch in self._batches), default=0)
            if largest > limits.max_message_bytes:
                raise error_of(
                    grpc.StatusCode.FAILED_PRECONDITION,
                    f"the server now takes messages of at most {limits.max_message_bytes} bytes,"
                    f" but one of {largest} bytes waits to be sent again",
                )
            self._message_bytes = min(self._options.message_bytes, limits.max_message_bytes)
            self._limit_bytes = limits.max_message_bytes
            self._max_unacked_bytes = limits.max_unacked_bytes
            self._sent_count = 0
            self._sent_bytes = 0
            self._stream_opened = True
            self._tally.advance(resume_after, revision)
            if not first:
                self._tally.reconnect(recovered)
            self._notify_all()

    def next_batch(self, stream: int) -> Batch | None:
        """Waits for the next batch to send on `stream`; None when it has no more to send."""
        with self._lock:
            while (batch := self._sendable(stream)) is None:
                if stream != self._stream or self._error is not None:
                    return None
                if self._stream_opened and self._closing and self._sent_count == len(self._batches):
                    return None
                self._work.wait(self._linger_seconds())
            self._sent_count += 1
            self._sent_bytes += batch.gradient_bytes
            rows = batch.claim()
        if rows is not None:
            try:
                self._make(batch, rows)
            except BaseException:
                self._give_back(batch, rows)
                raise
            with self._lock:
                self._stage.reuse(rows)
        return batch

    def acknowledge(
        self,
        durable_batch_seq: int,
        revision: int,
        replaced_count: int,
        duplicate_count: int,
        rejected: Sequence[RejectedSample],
    ) -> None:
        """Takes in one ack."""
        with self._lock:
            self._drop_through(durable_batch_seq)
            self._tally.advance(durable_batch_seq, revision)
            self._tally.acknowledge(replaced_count, duplicate_count, rejected)
            self._notify_all()

    # With the lock held.

    def _wait_for(self, condition: Callable[[], bool], deadline: float, accepted: int) -> None:
        if self._error is None and condition():
            return
        if not self._batches:
            self._seal()  # no more can come
        self._room.wait_for(
            lambda: self._error is not None or condition(), max(deadline - time.monotonic(), 0)
        )
        self.raise_if_failed()
        seconds = self._options.block_timeout_seconds
        if self._message_bytes == 0:
            raise WriterFullError(
                f"the server has not opened the stream within {seconds} s", accepted_count=0
            )
        if not condition():
            raise WriterFullError(
                f"no room within {seconds} s:"
                f" {self._tally['buffered_bytes']} of {self._options.max_buffered_bytes} bytes"
                f" wait for acks; {accepted} samples of this call were taken",
                accepted_count=accepted,
            )

    def _has_room(self, gradient_bytes: int) -> bool:
        buffered = self._tally["buffered_bytes"]
        return buffered == 0 or buffered + gradient_bytes <= self._options.max_buffered_bytes

    def _rows_per_batch(self) -> int:
        return rows_per_batch(self._row_bytes, self._message_bytes, shared=self._region is not None)

    def _is_opened_once(self) -> bool:
        return self._message_bytes > 0

    def _refuse(self, sample_count: int) -> None:
        """Applies the policies `drop` and `raise`."""
        if self._options.policy == "raise":
            raise WriterFullError(
                f"{self._tally['buffered_bytes']} of {self._options.max_buffered_bytes} bytes wait"
                f" for acks, no room for {sample_count} samples more",
                accepted_count=0,
            )
        self._tally.drop(sample_count)

    def _place(self, batch: Batch, piece: Rows) -> Batch | None:
        """Numbers the batch of a large piece, or stages a small one; returns what that sealed."""
        fitting = self._rows_per_batch()
        if 2 * len(piece.sample_ids) >= fitting:
            self._seal()
            self._append(batch)
            return None
        sealed = None
        if not self._stage.has_place_for(piece, fitting):
            sealed = self._seal()
        self._stage.append(piece, fitting, self._region)
        if len(self._stage) == fitting:
            sealed = self._seal()
        elif not self._batches and len(self._stage) == len(piece.sample_ids):
            self._work.notify_all()  # the first one: its time runs
        return sealed

    def _seal(self) -> Batch | None:
        """Makes a batch of what is staged, if anything is."""
        if not self._stage:
            return None
        rows = self._stage.take()
        batch = Batch.of(rows)
        batch.rows = rows
        self._append(batch)
        self._work.notify_all()
        return batch

    def _append(self, batch: Batch) -> None:
        batch.message_bytes = self._message_bytes
        batch.limit_bytes = self._limit_bytes
        batch.batch_seq = self._next_seq
        self._next_seq += 1
        self._batches.append(batch)

    def _sendable(self, stream: int) -> Batch | None:
        """Returns the batch that may be sent on `stream` now, if any."""
        if stream != self._stream or self._error is not None or not self._stream_opened:
            return None
        if self._linger_seconds() == 0:
            self._seal()
        if self._sent_count == len(self._batches):
            return None
        batch = self._batches[self._sent_count]
        if not batch.is_ready():
            return None
        sent_bytes = self._sent_bytes + batch.gradient_bytes
        return batch if self._sent_count == 0 or sent_bytes <= self._max_unacked_bytes else None

    def _linger_seconds(self) -> float | None:
        """Returns when to seal what is staged; None: not before something else happens."""
        if not self._stage or self._batches or not self._stream_opened:
            return None
        return max(self._stage.waits_seconds(self._options.linger_seconds), 0)

    def _drop_through(self, batch_seq: int) -> int:
        """Lets go of batches that are durable; returns how many."""
        dropped = 0
        while self._batches and self._batches[0].batch_seq <= batch_seq:
            batch = self._batches.popleft()
            dropped += 1
            self._tally.settle(batch.sample_count, batch.gradient_bytes)
            batch.free()
            if self._sent_count > 0:
                self._sent_count -= 1
                self._sent_bytes -= batch.gradient_bytes
        return dropped

    def _notify_all(self) -> None:
        self._room.notify_all()
        self._work.notify_all()
        self._settled.notify_all()

    # Without the lock: what takes the time of a copy.

    def _put_piece(self, piece: Rows, deadline: float, accepted: int) -> None:
        batch = Batch.of(piece)
        sealed = rows = None
        try:
            with self._lock:
                if self._options.policy == "block":
                    gradient_bytes = batch.gradient_bytes
                    self._wait_for(lambda: self._has_room(gradient_bytes), deadline, accepted)
                    self._tally.take(batch.sample_count, gradient_bytes)
                sealed = self._place(batch, piece)
                rows = None if sealed is None else sealed.claim()
            if sealed is not None and rows is not None:
                self._make(sealed, rows)
                with self._lock:
                    self._stage.reuse(rows)
            if batch.batch_seq > 0:
                self._make(batch, piece)
        except BaseException:
            # Those behind a batch that has its number could not go on without it.
            if sealed is not None and rows is not None:
                self._give_back(sealed, rows)
            if batch.batch_seq > 0:
                self._give_back(batch, piece.copy())
            raise

    def _make(self, batch: Batch, rows: Rows) -> None:
        with self._lock:
            region = self._region
            place = rows.place
            if place is None or place.region is not region:
                place = None if region is None else region.take(rows.gradients.nbytes)
        if place is None:
            messages = batch.serialize(rows, allow_deleted=self._allow_deleted)
            with self._lock:
                batch.messages = messages
                self._work.notify_all()
            return
        message, there = batch.share(rows, place, allow_deleted=self._allow_deleted)
        with self._lock:
            batch.messages, batch.shared = [message], there
            if region is not self._region:
                batch.withdraw()  # the stream has ended
            self._work.notify_all()

    def _give_back(self, batch: Batch, rows: Rows) -> None:
        """Leaves it to the sender to make the messages of `batch`."""
        with self._lock:
            if not batch.is_ready():
                batch.rows = rows
                self._work.notify_all()
