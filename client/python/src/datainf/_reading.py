"""Reads stored samples back."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from types import TracebackType
from typing import Any

import google_crc32c
import grpc
import numpy as np
import numpy.typing as npt

from datainf._connection import Connection
from datainf._encoding import dtype_name, wire_type
from datainf._errors import error_of, from_rpc_error
from datainf._proto.v1 import export_service_pb2
from datainf._query import id_list


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class StoredSamples:
    """Some samples as the server stores them.

    Attributes:
        ids: Sample ids, uint64, shape [k].
        steps: Training steps, int64, shape [k]; 0 where the writer gave none.
        squared_norms: |g_{k,l}|^2 of each sample and block, float64, shape [k, L].
        gradients: Shape [k, D]. float32; of a run that stores bfloat16 uint16: the bits, as
            `Writer.add` of a writer with `dtype="bf16"` takes them.

    Example:
        >>> with run.read_samples() as samples:
        ...     [(chunk.ids.tolist(), chunk.gradients.shape) for chunk in samples]
        [([10, 11], (2, 14))]
    """

    ids: npt.NDArray[np.uint64]
    steps: npt.NDArray[np.int64]
    squared_norms: npt.NDArray[np.float64]
    gradients: npt.NDArray[Any]

    def __len__(self) -> int:
        """Returns k."""
        return len(self.ids)


class SampleStream:
    """Samples of one revision of a run, a few MiB at a time. Made by `Run.read_samples`.

    An iterator of `StoredSamples`, and a context manager: leaving it before the end tells the
    server to stop. Checksums are compared as the samples arrive. One thread.

    Attributes:
        revision: The revision that is read.
        sample_count: Samples of that revision, n.
        count: Samples that this stream gives.
        damping: lambda_l of that revision at the run's damping scale, float64, shape [L].
        stored_dtype: `"f32"` or `"bf16"`.

    Example:
        >>> with run.read_samples() as samples:
        ...     print(samples.count, [chunk.gradients.shape for chunk in samples])
        2 [(2, 14)]
    """

    def __init__(self, call: Any, layout_hash: str) -> None:
        """Use `Run.read_samples`."""
        self._call = call
        self._messages = self._receive()
        header = self._next_message().header
        if header.run.layout_hash != layout_hash:
            self.close()
            raise error_of(
                grpc.StatusCode.FAILED_PRECONDITION,
                f"run {header.run.run_id} has another layout than before: it was made anew",
            )
        self.revision = header.run.revision
        self.sample_count = header.run.sample_count
        self.count = header.count
        self.damping = np.array(header.dampings.values, np.float64)
        self.stored_dtype = dtype_name(header.run.stored_element_type)
        self._dimension = header.run.dimension
        self._block_count = len(header.run.layout.blocks)
        self._chunks = self._read()

    def __iter__(self) -> Iterator[StoredSamples]:
        """Returns the stream itself."""
        return self

    def __next__(self) -> StoredSamples:
        """Returns the next samples.

        Raises:
            DataInfError: The call failed; code DATA_LOSS: a checksum is wrong.
        """
        return next(self._chunks)

    def close(self) -> None:
        """Ends the stream."""
        self._call.cancel()

    def __enter__(self) -> SampleStream:
        """Returns the stream itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Ends the stream."""
        self.close()

    def _receive(self) -> Iterator[export_service_pb2.ReadSamplesResponse]:
        try:
            yield from self._call
        except grpc.RpcError as error:
            raise from_rpc_error(error) from None

    def _next_message(self) -> export_service_pb2.ReadSamplesResponse:
        message = next(self._messages, None)
        if message is None:
            raise error_of(grpc.StatusCode.INTERNAL, "the answer ended before its last message")
        return message

    def _read(self) -> Iterator[StoredSamples]:
        row_bytes = self._dimension * wire_type(self.stored_dtype).itemsize
        received = 0
        while received < self.count:
            chunk = self._next_message().samples
            gradients: bytes | bytearray = chunk.gradients
            if len(gradients) < row_bytes * len(chunk.sample_ids):
                # The first fragment of a large row.
                gradients = bytearray(gradients)
                while len(gradients) < row_bytes:
                    gradients += self._next_message().samples.gradients
            samples = self._samples(chunk, gradients)
            received += len(samples)
            yield samples

    def _samples(
        self, chunk: export_service_pb2.StoredSampleChunk, gradients: bytes | bytearray
    ) -> StoredSamples:
        count = len(chunk.sample_ids)
        rows = np.frombuffer(gradients, wire_type(self.stored_dtype))
        rows = rows.reshape(count, self._dimension)
        for sample_id, row, checksum in zip(chunk.sample_ids, rows, chunk.row_crc32c, strict=True):
            computed = google_crc32c.value(row)
            if computed != checksum:
                raise error_of(
                    grpc.StatusCode.DATA_LOSS,
                    f"sample {sample_id} has checksum {computed:#010x}, expected {checksum:#010x}",
                )
        return StoredSamples(
            ids=np.array(chunk.sample_ids, np.uint64),
            steps=np.array(chunk.steps, np.int64),
            squared_norms=np.frombuffer(chunk.squared_norms, "<f8").reshape(
                count, self._block_count
            ),
            gradients=rows,
        )


def read_samples(
    connection: Connection,
    *,
    run_id: str,
    layout_hash: str,
    sample_ids: npt.ArrayLike | None,
    revision: int,
    min_revision: int,
    timeout_seconds: float | None,
) -> SampleStream:
    """Opens the stream that the arguments of `Run.read_samples` ask for."""
    request = export_service_pb2.ReadSamplesRequest(
        run_id=run_id, revision=revision, min_revision=min_revision
    )
    if sample_ids is None:
        request.all.SetInParent()
    else:
        request.given.sample_ids.extend(id_list("sample_ids", sample_ids))
    call = connection.stream(connection.export.ReadSamples, request, timeout_seconds)
    return SampleStream(call, layout_hash)
