import google_crc32c
import numpy as np
import pytest

from datainf._frames import Rows, batch_message, fragment_messages, rows_per_message
from datainf._proto.v1.ingest_service_pb2 import IngestRequest, SampleBatch

# Lengths of gradients around each length of a varint: 1, 2, 3 and 4 bytes.
LENGTHS = [1, 31, 32, 4095, 4096, 524_287, 524_288]


@pytest.mark.parametrize("length", LENGTHS)
def test_message_equals_what_protobuf_serializes(length: int) -> None:
    gradients = np.arange(length, dtype="<f4")
    expected = SampleBatch(
        batch_seq=300,
        sample_ids=[0, 2**64 - 1],
        steps=[-1, 5],
        crc32c=google_crc32c.value(gradients.tobytes()),
        element_offset=7,
        gradients=gradients.tobytes(),
    )
    message = batch_message(300, [0, 2**64 - 1], [-1, 5], [gradients], 7)
    assert message == IngestRequest(batch=expected).SerializeToString()


def test_message_without_steps_and_offset_has_only_the_rest() -> None:
    parsed = IngestRequest.FromString(batch_message(1, [5], [], [np.zeros((1, 2), "<f4")]))
    assert parsed.batch.sample_ids == [5]
    assert list(parsed.batch.steps) == []
    assert parsed.batch.element_offset == 0
    assert parsed.batch.gradients == bytes(8)


def test_message_joins_arrays_in_order() -> None:
    first, second = np.array([[1.0, 2.0]], "<f4"), np.array([[3.0, 4.0], [5.0, 6.0]], "<f4")
    batch = IngestRequest.FromString(batch_message(1, [1, 2, 3], [], [first, second])).batch
    assert np.frombuffer(batch.gradients, "<f4").tolist() == [1, 2, 3, 4, 5, 6]
    assert batch.crc32c == google_crc32c.value(batch.gradients)


@pytest.mark.parametrize("row_bytes", [2, 4, 64, 1000])
@pytest.mark.parametrize("message_bytes", [1024, 1500, 4096])
def test_rows_per_message_fills_a_message_and_never_more(
    row_bytes: int, message_bytes: int
) -> None:
    count = rows_per_message(row_bytes, message_bytes)
    if count == 0:
        assert row_bytes + 82 > message_bytes
        return
    # Worst case: steps are varints of 10 bytes, numbers are as large as they get.
    ids, steps = [2**64 - 1] * count, [-1] * count
    message = batch_message(2**63 - 1, ids, steps, [np.zeros(count * row_bytes, np.uint8)])
    assert len(message) <= message_bytes


@pytest.mark.parametrize("count", [1, 4])
@pytest.mark.parametrize("dtype", ["<f4", "<f2", "<u2"])
def test_fragments_cover_the_samples_in_order_within_the_limit(dtype: str, count: int) -> None:
    ids, steps = list(range(7, 7 + count)), [-3] * count
    row = np.arange(1000).astype(dtype).reshape(count, -1)
    messages = list(fragment_messages(9, Rows(ids, steps, row), 1024))
    batches = [IngestRequest.FromString(message).batch for message in messages]
    assert max(map(len, messages)) <= 1024
    assert len(batches) > 1
    next_offset = 0
    for batch in batches:
        assert (batch.batch_seq, list(batch.sample_ids), list(batch.steps)) == (9, ids, steps)
        assert batch.element_offset == next_offset
        assert batch.crc32c == google_crc32c.value(batch.gradients)
        next_offset += len(batch.gradients) // row.itemsize
    assert b"".join(batch.gradients for batch in batches) == row.tobytes()
