"""Streams per-sample gradients into a run."""

from __future__ import annotations

import logging
import os
import threading
import warnings
from types import TracebackType

import grpc
import numpy as np
import numpy.typing as npt

from datainf._arrays import GradientsLike
from datainf._connection import Connection
from datainf._encoding import Dtype, element_bytes, encode, sample_id_list
from datainf._errors import DataInfError, DeadlineExceededError
from datainf._frames import Rows
from datainf._options import WriterOptions
from datainf._outbox import Outbox
from datainf._progress import Progress, ProgressBar
from datainf._proto.v1 import ingest_service_pb2
from datainf._sender import Sender
from datainf._stats import RejectedSample, WriterStats

_log = logging.getLogger("datainf")

# How long a server may take to end a stream whose batches are all acked.
_STREAM_END_SECONDS = 5.0


class Writer:
    """Streams per-sample gradients into a run from a background thread. Made by `Run.writer`.

    `add` copies and returns; one daemon thread sends, takes acks, and connects again when the
    connection breaks, sending what was not acked. Each sample is stored once, however often it is
    sent. An error that trying again cannot mend ends the writer, and each later `add`, `flush` and
    `close` raises it. May be used from several threads; not in a forked process.

    Example:
        >>> with run.writer() as writer:
        ...     writer.add([1, 2], np.ones((2, run.dimension), np.float32))
        ...     revision = writer.flush()
        >>> writer.stats().acked_samples
        2
    """

    def __init__(
        self,
        connection: Connection,
        opening: ingest_service_pb2.Open,
        *,
        dimension: int,
        dtype: Dtype,
        allow_deleted: bool,
        options: WriterOptions,
        on_progress: Progress | None,
        bar: ProgressBar | None,
    ) -> None:
        """Use `Run.writer`."""
        self._connection = connection
        self._opening = opening
        self._dimension = dimension
        self._dtype = dtype
        self._options = options
        self._bar = bar
        self._outbox = Outbox(
            options, dimension * element_bytes(dtype), allow_deleted=allow_deleted
        )
        listeners = [each for each in (bar, on_progress) if each is not None]
        self._sender = Sender(connection, opening, self._outbox, options, listeners)
        self._process_id = os.getpid()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None  # guarded by _lock
        self._closed = False  # guarded by _lock

    @property
    def writer_id(self) -> str:
        """Identifies this writer across reconnects."""
        return self._opening.writer_id

    @property
    def durable_batch_seq(self) -> int:
        """Highest batch number that the server has made durable; 0 before the first ack."""
        return self.stats().durable_batch_seq

    @property
    def revision(self) -> int:
        """Revision of the run that includes all acked samples; 0 before the first ack."""
        return self.stats().revision

    @property
    def rejected(self) -> list[RejectedSample]:
        """The samples that the server refused, at most the first 10,000; the others were stored."""
        self._require_process()
        return self._outbox.rejected()

    @property
    def duplicates(self) -> int:
        """How many samples the run held already with equal content."""
        return self.stats().duplicate_samples

    def stats(self) -> WriterStats:
        """Returns all counts, from one moment.

        Example:
            >>> with run.writer() as writer:
            ...     writer.stats().added_samples
            0
        """
        self._require_process()  # another thread may have held the lock at the fork
        return self._outbox.stats()

    def add(
        self,
        sample_ids: npt.ArrayLike,
        gradients: GradientsLike,
        steps: npt.ArrayLike | None = None,
    ) -> None:
        """Hands samples over to be sent. The first call waits for the server's answer.

        A sample id that the run holds already with equal content is counted as duplicate; with
        other content, the new gradient replaces the old one.

        Args:
            sample_ids: Your ids, integers from 0 to 2^64 - 1, shape [k], none twice; or one
                integer.
            gradients: Gradient of each sample's own loss, before optimiser and clipping; blocks in
                the order of the run's layout, each row-major as [rank, width]. Shape [k, D]; or [D]
                for one sample. Floats of any width, ml_dtypes' bfloat16, a tensor that exports
                DLPack from the memory of the CPU (PyTorch: `gradient.detach().cpu()`), or with
                `dtype="bf16"` uint16: the bits. Copied once if contiguous and of the writer's
                dtype, converted before otherwise; the memory may be reused as soon as this returns.
            steps: Training step of each gradient, int64, shape [k] or one integer. Kept with the
                sample, not used in any formula.

        Raises:
            TypeError: A dtype is none of those above.
            ValueError: A shape or an id is wrong; a tensor is on a GPU, or requires grad.
            WriterFullError: The buffer is full and the policy says so, or `block_timeout_seconds`
                ran out.
            DataInfError: The writer has failed for good.
            RuntimeError: The writer is closed, or was carried through a fork.

        Example:
            >>> with run.writer() as writer:
            ...     writer.add([12, 13], np.ones((2, run.dimension)), steps=7)
        """
        ids = sample_id_list("sample_ids", sample_ids)
        rows = encode("gradients", gradients, self._dtype, self._dimension)
        if len(rows) != len(ids):
            raise ValueError(f"{len(ids)} sample_ids for {len(rows)} gradients, expected as many")
        step_list: list[int] = []
        if steps is not None:
            step_array = np.asarray(steps)
            if step_array.ndim == 0:  # one for all
                step_array = np.full(len(ids), step_array)
            if step_array.dtype.kind not in "iu" or step_array.shape != (len(ids),):
                raise ValueError(
                    f"steps has dtype {step_array.dtype} and shape {step_array.shape},"
                    f" expected integers of shape ({len(ids)},), or one"
                )
            step_list = step_array.tolist()
        self._start()
        self._outbox.put(Rows(ids, step_list, rows))

    def flush(self, timeout: float | None = None) -> int:
        """Waits until all samples added before are durable.

        Args:
            timeout: Most seconds to wait; None: until they are, or the writer fails.

        Returns:
            A revision of the run that includes them, for `min_revision` of a query. 0 if nothing
            was ever added.

        Raises:
            DeadlineExceededError: The time ran out; the samples are still on their way.
            DataInfError: The writer has failed for good.
            RuntimeError: The writer was carried through a fork.

        Example:
            >>> with run.writer() as writer:
            ...     writer.add(12, np.ones(run.dimension))
            ...     revision = writer.flush()
            >>> run.query(np.ones(run.dimension), min_revision=revision).ids.tolist()
            [[10, 11, 12]]
        """
        self._require_process()
        return self._outbox.flush(timeout)

    def close(self, timeout: float | None = None) -> None:
        """Waits until all samples are durable and ends the thread. Closing again does nothing more.

        Args:
            timeout: Most seconds to wait; None: `WriterOptions.close_timeout_seconds`.

        Raises:
            DeadlineExceededError: The time ran out; what was not acked may be lost.
            DataInfError: The writer has failed for good, now or before.
            RuntimeError: The writer was carried through a fork.

        Example:
            >>> writer = run.writer()
            >>> writer.add(12, np.ones(run.dimension))
            >>> writer.close()
            >>> run.statistics().sample_count
            3
        """
        self._require_process()
        with self._lock:
            self._closed = True
            thread = self._thread
        self._outbox.close()
        if thread is not None:
            seconds = self._options.close_timeout_seconds if timeout is None else timeout
            if not self._outbox.wait_finished(seconds):
                message = (
                    f"{self._outbox.stats().buffered_samples} samples were not acked within"
                    f" {seconds} s and may be lost"
                )
                self._outbox.fail(
                    DeadlineExceededError(message, code=grpc.StatusCode.DEADLINE_EXCEEDED)
                )
                self._sender.cancel()
            thread.join(min(seconds, _STREAM_END_SECONDS))
            self._sender.cancel()  # everything is settled; a server that is silent must not hold us
            thread.join()
        if self._bar is not None:
            self._bar.close()
        self._outbox.raise_if_failed()

    def __enter__(self) -> Writer:
        """Returns the writer itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Closes the writer; after an exception in the block without hiding it."""
        if error is None:
            self.close()
            return
        try:
            self.close()
        except (DataInfError, RuntimeError) as second:
            if second is not error:
                _log.warning("closing after %r: %s", error, second)

    def __del__(self) -> None:
        """Lets the thread of a forgotten writer end."""
        thread = getattr(self, "_thread", None)
        if thread is not None and not self._closed and os.getpid() == self._process_id:
            warnings.warn(f"writer {self.writer_id} was not closed", ResourceWarning, stacklevel=1)
            self._outbox.close()

    def _start(self) -> None:
        self._require_process()
        self._connection.require_usable()
        with self._lock:
            if self._closed:
                raise RuntimeError("the writer is closed")
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._sender.run, name=f"datainf-writer-{self.writer_id}", daemon=True
                )
                self._thread.start()

    def _require_process(self) -> None:
        if os.getpid() != self._process_id:
            raise RuntimeError(
                f"the writer was made in process {self._process_id} and cannot be used in process"
                f" {os.getpid()}, forked from it: samples are added where the writer was made"
            )
