"""Memory that writers share with the server."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fake_server
import google_crc32c
import grpc
import numpy as np
import pytest
from fake_server import DIMENSION, LONG_SECONDS, ack, opened, rows, serving
from server_process import ServerProcess, running_server

import datainf
from datainf._proto.v1 import ingest_service_pb2
from datainf._shared import SharedRegion, open_region

TOKEN = b"0123456789abcdef"
REGION_BYTES = 1 << 20


def region(length: int) -> SharedRegion:
    return SharedRegion(np.zeros(length, np.uint8), 0)


def offer(path: Path, byte_count: int = REGION_BYTES) -> ingest_service_pb2.SharedMemory:
    return ingest_service_pb2.SharedMemory(path=str(path), byte_count=byte_count, token=TOKEN)


def make_file(path: Path, byte_count: int = REGION_BYTES) -> Path:
    path.write_bytes(TOKEN + bytes(byte_count - len(TOKEN)))
    return path


def test_places_never_overlap_and_come_again() -> None:
    shared = SharedRegion(np.zeros(10_000, np.uint8), 16)
    chance = random.Random(5)  # noqa: S311
    held: list[Any] = []
    given = 0
    for _ in range(2_000):
        place = shared.take(chance.randint(1, 3_000))
        if place is not None:
            given += 1
            begin, end = place.byte_offset, place.byte_offset + place.byte_count
            assert begin >= 16
            assert end <= 10_000
            for other in held:
                assert end <= other.byte_offset or begin >= other.byte_offset + other.byte_count
            held.append(place)
        if held and (place is None or chance.random() < 0.5):
            held.pop(chance.randrange(min(2, len(held)))).free()
    assert given > 500


def test_place_larger_than_the_region_is_not_given() -> None:
    shared = region(128)
    assert shared.take(129) is None
    whole = shared.take(128)
    assert whole is not None
    assert shared.take(1) is None
    whole.free()
    assert shared.take(128) is not None


def test_open_region_takes_only_the_servers_file(tmp_path: Path) -> None:
    file = make_file(tmp_path / "region")
    shared = open_region(offer(file))
    assert shared is not None
    place = shared.take(3)
    assert place is not None
    assert place.byte_offset >= len(TOKEN)
    place.rows(np.zeros((1, 3), np.uint8))[:] = [[1, 2, 3]]
    begin = place.byte_offset
    assert file.read_bytes()[begin : begin + 3] == b"\1\2\3"

    assert open_region(offer(file, REGION_BYTES - 1)) is None
    assert open_region(offer(tmp_path / "missing")) is None
    (tmp_path / "link").symlink_to(file)
    assert open_region(offer(tmp_path / "link")) is None
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "other").write_bytes(bytes(REGION_BYTES))
    assert open_region(offer(tmp_path / "other")) is None


class Reading:
    """A server that shares files, and reads gradients from them."""

    def __init__(self, folder: Path, byte_count: int = REGION_BYTES) -> None:
        self.folder = folder
        self.byte_count = byte_count
        self.batches: dict[int, tuple[list[int], bytes, bool]] = {}

    def open(self, stream: int, after: int = 0) -> tuple[Any, Path]:
        file = make_file(self.folder / f"region-{stream}", self.byte_count)
        answer = opened(after, message_bytes=2048)
        answer.opened.shared_memory.CopyFrom(offer(file, self.byte_count))
        return answer, file

    def take(self, request: Any, file: Path) -> Any:
        batch = request.batch
        shared = batch.HasField("shared_gradients")
        gradients = batch.gradients
        if shared:
            begin = batch.shared_gradients.byte_offset
            gradients = file.read_bytes()[begin : begin + batch.shared_gradients.byte_count]
        assert google_crc32c.value(gradients) == batch.crc32c
        self.batches[batch.batch_seq] = (list(batch.sample_ids), gradients, shared)
        return batch


def test_gradients_lie_in_the_shared_memory(tmp_path: Path) -> None:
    server = Reading(tmp_path)

    def script(stream: int, requests: Iterator[Any], _: Any) -> Iterator[Any]:
        answer, file = server.open(stream)
        yield answer
        for request in requests:
            batch = server.take(request, file)
            yield ack(batch.batch_seq, batch.batch_seq)

    with serving(script) as (fake, run), run.writer() as writer:
        for k in range(500):
            writer.add(k, rows(1, k))
        writer.flush(LONG_SECONDS)
    assert fake.opens[0].shared_memory_bytes >= datainf.WriterOptions().max_buffered_bytes
    assert all(shared for _, _, shared in server.batches.values())
    sent = {
        sample_id: value
        for ids, gradients, _ in server.batches.values()
        for sample_id, value in zip(ids, np.frombuffer(gradients, "<f4")[::DIMENSION], strict=True)
    }
    assert sent == {k: float(k) for k in range(500)}


def test_what_finds_no_place_goes_through_the_socket(tmp_path: Path) -> None:
    server = Reading(tmp_path, 4096)

    def script(stream: int, requests: Iterator[Any], _: Any) -> Iterator[Any]:
        answer, file = server.open(stream)
        yield answer
        for request in requests:
            server.take(request, file)
        yield ack(max(server.batches), 1)

    with serving(script) as (_, run), run.writer() as writer:
        for k in range(20):
            writer.add(range(100 * k, 100 * k + 100), rows(100, k))
    assert {shared for _, _, shared in server.batches.values()} == {True, False}
    assert sum(len(ids) for ids, _, _ in server.batches.values()) == 2_000


def test_after_a_reconnect_gradients_lie_in_the_new_memory(tmp_path: Path) -> None:
    server = Reading(tmp_path)

    def script(
        stream: int, requests: Iterator[Any], context: grpc.ServicerContext
    ) -> Iterator[Any]:
        answer, file = server.open(stream)
        yield answer
        if stream == 0:
            next(requests)  # nothing is acked
            file.unlink()
            fake_server.abort(context, grpc.StatusCode.UNAVAILABLE, "gone")
        for request in requests:
            batch = server.take(request, file)
            yield ack(batch.batch_seq, batch.batch_seq)

    options = datainf.WriterOptions(retry_initial_seconds=0.01)
    with serving(script) as (_, run), run.writer(options=options) as writer:
        for k in range(50):
            writer.add(range(100 * k, 100 * k + 100), rows(100, k))
        writer.flush(LONG_SECONDS)
    # What was in the old memory lies in the new one; what was made in between, without any, may
    # have come by message.
    assert server.batches[1][2]
    values = [np.frombuffer(gradients, "<f4") for _, gradients, _ in server.batches.values()]
    assert np.concatenate(values).tolist() == np.repeat(np.arange(50.0), 100 * DIMENSION).tolist()


def test_writer_that_may_not_share_does_not_ask() -> None:
    with (
        serving(lambda _, requests, __: fake_server.acking(requests)) as (fake, run),
        run.writer(options=datainf.WriterOptions(shared_memory=False)) as writer,
    ):
        writer.add(1, rows(1))
    assert fake.opens[0].shared_memory_bytes == 0


@pytest.fixture(scope="module")
def server() -> Iterator[ServerProcess]:
    with running_server() as process:
        yield process


@pytest.mark.parametrize("dimension", [64, 400_000, 3_000_000])
def test_real_server_stores_what_lies_there(server: ServerProcess, dimension: int) -> None:
    gradients = np.random.default_rng(1).standard_normal((9, dimension), np.float32)
    with datainf.Client(server.target) as client:
        name = f"d{dimension}"
        run = client.create_run(name, [datainf.Block("b", 1, dimension)])
        with run.writer() as writer:
            for k in range(9):
                writer.add(k, gradients[k])
            assert writer.flush(LONG_SECONDS) == 9
            assert writer._outbox._region is not None  # else this tests the socket
        with run.read_samples() as samples:
            stored = {
                int(sample_id): row.copy()
                for chunk in samples
                for sample_id, row in zip(chunk.ids, chunk.gradients, strict=True)
            }
        assert all(np.array_equal(stored[k], gradients[k]) for k in range(9))
        run.delete()


def test_batches_for_shared_memory_that_is_full_go_through_the_socket_in_fragments(
    server: ServerProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    dimension, count = 300_000, 40
    gradients = np.random.default_rng(2).standard_normal((count, dimension), np.float32)
    take, calls = SharedRegion.take, []

    def sometimes(region: SharedRegion, byte_count: int) -> Any:
        calls.append(byte_count)
        return None if len(calls) % 3 else take(region, byte_count)

    monkeypatch.setattr(SharedRegion, "take", sometimes)
    with datainf.Client(server.target) as client:
        run = client.create_run("full", [datainf.Block("b", 1, dimension)])
        with run.writer() as writer:
            for k in range(count):
                writer.add(k, gradients[k])
        assert max(calls) > 4 << 20  # more than a message takes
        norms = run.squared_norms()
        expected = (gradients[norms.ids.astype(int)].astype(float) ** 2).sum(axis=1)
        np.testing.assert_allclose(norms.values, expected, rtol=1e-6)
        assert len(norms.ids) == count
        run.delete()
