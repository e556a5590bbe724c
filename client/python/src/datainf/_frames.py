"""Messages of the Ingest stream, built by hand around the gradients.

A protobuf object would copy the gradients two times more than needed. So the small fields are
serialized by protobuf, and the gradients, last on the wire as the protocol recommends, are joined
to them in one copy.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

import google_crc32c
import numpy as np
import numpy.typing as npt

from datainf._proto.v1 import ingest_service_pb2
from datainf._shared import Place

# Tags of length-delimited fields: number << 3 | 2.
_BATCH_TAG = bytes([ingest_service_pb2.IngestRequest.BATCH_FIELD_NUMBER << 3 | 2])
_GRADIENTS_TAG = bytes([ingest_service_pb2.SampleBatch.GRADIENTS_FIELD_NUMBER << 3 | 2])

# Most bytes of a message besides gradients: per sample an id and a step (a varint of up to 10
# bytes), and per message two tags and lengths, two lengths of packed fields, batch_seq, crc32c,
# element_offset and allow_deleted.
_SAMPLE_OVERHEAD_BYTES = 8 + 10
_MESSAGE_OVERHEAD_BYTES = 64

# Each message costs both ends the same, however much it is about.
_SHARED_BATCH_BYTES = 8 << 20
_LEAST_LONG_ROW_BYTES = 32 << 10


@dataclasses.dataclass(slots=True)
class Rows:
    """Samples on their way into a message.

    Attributes:
        sample_ids: Ids, [k].
        steps: Steps, [k], or empty.
        gradients: Rows as they go on the wire, [k, D], C-contiguous.
        place: Where they lie, if that is memory shared with the server.
    """

    sample_ids: list[int]
    steps: list[int]
    gradients: npt.NDArray[Any]
    place: Place | None = None

    def copy(self) -> Rows:
        """Returns the same samples in memory of their own."""
        return Rows(self.sample_ids, self.steps, self.gradients.copy())

    def pieces(self, most: int) -> Iterator[Rows]:
        """Yields parts of at most `most` samples."""
        if len(self.sample_ids) <= most:
            yield self
            return
        for start in range(0, len(self.sample_ids), most):
            part = slice(start, start + most)
            yield Rows(self.sample_ids[part], self.steps[part], self.gradients[part])


def batch_message(
    batch_seq: int,
    sample_ids: Sequence[int],
    steps: Sequence[int],
    gradients: Sequence[npt.NDArray[Any]],
    element_offset: int = 0,
    *,
    allow_deleted: bool = False,
) -> bytes:
    """Returns a serialized IngestRequest with one SampleBatch.

    Args:
        batch_seq: Number of the batch.
        sample_ids: Ids, [k].
        steps: Steps, [k], or empty.
        gradients: Arrays whose bytes, one after the other, are the field `gradients`. C-contiguous.
        element_offset: Position of the first element in its sample.
        allow_deleted: Whether samples that were deleted may come back.
    """
    pieces = [array.reshape(-1).view(np.uint8) for array in gradients]
    crc32c = 0
    for piece in pieces:
        crc32c = google_crc32c.extend(crc32c, piece)
    fields = ingest_service_pb2.SampleBatch(
        batch_seq=batch_seq,
        sample_ids=sample_ids,
        steps=steps,
        crc32c=crc32c,
        element_offset=element_offset,
        allow_deleted=allow_deleted,
    ).SerializeToString()
    gradient_bytes = sum(piece.nbytes for piece in pieces)
    head = fields + _GRADIENTS_TAG + _varint(gradient_bytes)
    parts: list[bytes | memoryview] = [_BATCH_TAG, _varint(len(head) + gradient_bytes), head]
    parts.extend(piece.data for piece in pieces)
    return b"".join(parts)


def shared_message(
    batch_seq: int, rows: Rows, place: Place, *, allow_deleted: bool = False
) -> bytes:
    """Returns a serialized IngestRequest whose gradients lie in shared memory.

    Args:
        batch_seq: Number of the batch.
        rows: Samples.
        place: Where their gradients lie.
        allow_deleted: Whether samples that were deleted may come back.
    """
    batch = ingest_service_pb2.SampleBatch(
        batch_seq=batch_seq,
        sample_ids=rows.sample_ids,
        steps=rows.steps,
        crc32c=google_crc32c.value(rows.gradients.reshape(-1).view(np.uint8)),
        allow_deleted=allow_deleted,
        shared_gradients=ingest_service_pb2.SharedRange(
            byte_offset=place.byte_offset, byte_count=rows.gradients.nbytes
        ),
    )
    return ingest_service_pb2.IngestRequest(batch=batch).SerializeToString()


def rows_per_message(row_bytes: int, message_bytes: int) -> int:
    """Returns how many whole samples fit into a message; 0 if not even one does."""
    return (message_bytes - _MESSAGE_OVERHEAD_BYTES) // (row_bytes + _SAMPLE_OVERHEAD_BYTES)


def rows_per_batch(row_bytes: int, message_bytes: int, *, shared: bool) -> int:
    """Returns how many samples to send in one batch, if there are so many.

    What lies in shared memory need not fit into a message; but if that memory is gone, the ids go
    with each fragment, so small samples are no more than one message takes.
    """
    count = max(rows_per_message(row_bytes, message_bytes), 1)
    if shared and row_bytes >= _LEAST_LONG_ROW_BYTES:
        count = max(count, _SHARED_BATCH_BYTES // row_bytes)
    return count


def fragment_messages(
    batch_seq: int, rows: Rows, message_bytes: int, *, allow_deleted: bool = False
) -> Iterator[bytes]:
    """Yields the fragments of samples that are larger than a message."""
    elements = rows.gradients.reshape(-1)
    ids_bytes = _SAMPLE_OVERHEAD_BYTES * len(rows.sample_ids)
    room = message_bytes - _MESSAGE_OVERHEAD_BYTES - ids_bytes
    length = max(room // elements.itemsize, 1)
    for offset in range(0, elements.size, length):
        piece = elements[offset : offset + length]
        yield batch_message(
            batch_seq,
            rows.sample_ids,
            rows.steps,
            [piece],
            offset,
            allow_deleted=allow_deleted,
        )


def _varint(value: int) -> bytes:
    """Returns `value` >= 0 as a base 128 varint."""
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)
