"""Bad input: each ends in an error that names it, and the server goes on."""

from __future__ import annotations

import queue
import subprocess
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import grpc
import numpy as np
import pytest
from server_process import ServerProcess

import datainf
from datainf._errors import from_rpc_error
from datainf._frames import batch_message
from datainf._proto.v1 import ingest_service_pb2, types_pb2

NewRun = Callable[..., datainf.Run]

LONG_SECONDS = 60.0
ROW = np.ones((1, 4), np.float32)


@pytest.fixture
def run(new_run: NewRun) -> Iterator[datainf.Run]:
    """A run of 3 + 1 elements with one sample; that it still works is checked afterwards."""
    run = new_run(3, 1)
    with run.writer() as writer:
        writer.add(0, ROW)
    yield run
    with run.writer() as writer:
        writer.add(1000, 2 * ROW)
    result = run.query(ROW)
    assert set(result.ids[0].tolist()) >= {0, 1000}
    assert np.isfinite(result.scores).all()


def send(
    run: datainf.Run, messages: Sequence[bytes], **changes: Any
) -> tuple[datainf.DataInfError, int]:
    """Sends messages as they are on a stream of their own; returns its error and the last ack."""
    fields = {
        "run_id": run.run_id,
        "writer_id": "raw",
        "layout_hash": run.layout_hash,
        "element_type": types_pb2.ELEMENT_TYPE_F32,
        "checkpoint": run.checkpoint,
    }
    opening = ingest_service_pb2.Open(**{**fields, **changes})
    requests: queue.Queue[bytes | None] = queue.Queue()
    requests.put(ingest_service_pb2.IngestRequest(open=opening).SerializeToString())
    call = run._connection.ingest(iter(requests.get, None))
    durable = 0
    try:
        for response in call:
            if response.HasField("opened"):
                for message in messages:
                    requests.put(message)
            else:
                durable = response.ack.durable_batch_seq
    except grpc.RpcError as error:
        return from_rpc_error(error), durable
    finally:
        requests.put(None)
        call.cancel()
    pytest.fail("the server took it")


def batch(batch_seq: int, ids: Sequence[int], gradients: Any, offset: int = 0) -> bytes:
    return batch_message(batch_seq, ids, [], [np.ascontiguousarray(gradients)], offset)


@pytest.mark.usefixtures("run")
def test_wrong_layout_hash(client: datainf.Client) -> None:
    stale = client.create_run("recreated", [datainf.Block("a", 1, 4)])
    stale.delete()
    client.create_run("recreated", [datainf.Block("b", 2, 2)])
    writer = stale.writer()
    with pytest.raises(datainf.FailedPreconditionError, match="layout"):
        writer.add(1, ROW)
    assert client.run("recreated").sample_count == 0


@pytest.mark.usefixtures("run")
def test_wrong_checkpoint(new_run: NewRun) -> None:
    other = new_run(4, checkpoint="step-1")
    writer = other.writer(checkpoint="step-2")
    with pytest.raises(datainf.FailedPreconditionError, match=r"step-2.*step-1|step-1.*step-2"):
        writer.add(1, ROW)


@pytest.mark.parametrize("elements", [3, 5, 7, 9])
def test_wrong_length(run: datainf.Run, elements: int) -> None:
    message = batch(1, [1, 2], np.ones(elements, np.float32))
    error, durable = send(run, [message])
    assert isinstance(error, datainf.InvalidArgumentError)
    assert "8" in str(error) or "32" in str(error), "what was expected"
    assert durable == 0
    assert run.statistics().sample_count == 1


def test_odd_bytes(run: datainf.Run) -> None:
    error, _ = send(run, [batch(1, [1], np.ones(17, np.uint8))])
    assert isinstance(error, datainf.InvalidArgumentError)


@pytest.mark.parametrize(("value", "reason"), [(np.nan, "nan"), (np.inf, "infinite")])
@pytest.mark.parametrize("column", [0, 3])
def test_sample_with_nan_is_rejected_by_name_and_the_rest_stored(
    run: datainf.Run, value: float, reason: str, column: int
) -> None:
    rows = np.ones((5, 4), np.float32)
    rows[2, column] = value
    with run.writer() as writer:
        writer.add([10, 11, 12, 13, 14], rows)
        writer.flush(LONG_SECONDS)
    (rejected,) = writer.rejected
    assert rejected.sample_id == 12
    assert rejected.block_name == ("block0" if column < 3 else "block1")
    assert rejected.reason == reason
    assert rejected.detail
    assert writer.stats().rejected_samples == 1
    assert run.query(ROW).ids[0].tolist() == [0, 10, 11, 13, 14]


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_nan_in_a_query(run: datainf.Run, value: float) -> None:
    gradient = np.ones((2, 4), np.float32)
    gradient[1, 2] = value
    with pytest.raises(datainf.InvalidArgumentError, match=r"(?i)nan|infinit"):
        run.query(gradient)


@pytest.mark.usefixtures("run")
def test_unknown_run(client: datainf.Client) -> None:
    with pytest.raises(datainf.NotFoundError, match="no-such-run"):
        client.run("no-such-run")
    deleted = client.create_run("deleted", [datainf.Block("a", 1, 4)])
    deleted.delete()
    for act in (deleted.statistics, lambda: deleted.query(ROW), deleted.delete):
        with pytest.raises(datainf.NotFoundError, match="deleted"):
            act()
    writer = deleted.writer()
    with pytest.raises(datainf.NotFoundError, match="deleted"):
        writer.add(1, ROW)


def test_oversized_message(run: datainf.Run) -> None:
    limit = run._connection.capabilities().max_message_bytes
    error, _ = send(run, [batch(1, [1], np.zeros(limit + 1, np.uint8))])
    assert isinstance(error, datainf.ResourceExhaustedError)
    assert str(limit) in str(error)


@pytest.mark.parametrize("batch_seq", [0, -1, 3])
def test_batch_seq_out_of_order(run: datainf.Run, batch_seq: int) -> None:
    messages = [batch(1, [1], ROW), batch(batch_seq, [2], ROW)]
    error, _ = send(run, messages)
    assert error.code in (
        grpc.StatusCode.FAILED_PRECONDITION,
        grpc.StatusCode.INVALID_ARGUMENT,  # not a number that a batch can have
    )
    assert "batch_seq" in str(error)
    assert str(batch_seq) in str(error)


def test_corrupt_checksum(run: datainf.Run) -> None:
    message = bytearray(batch(1, [1], ROW))
    message[-1] ^= 1
    error, durable = send(run, [bytes(message)])
    assert error.code is grpc.StatusCode.DATA_LOSS
    assert "crc32c" in str(error).lower()
    assert durable == 0
    assert run.statistics().sample_count == 1


def test_same_id_twice_in_a_batch(run: datainf.Run) -> None:
    error, _ = send(run, [batch(1, [7, 7], np.ones((2, 4), np.float32))])
    assert isinstance(error, datainf.InvalidArgumentError)
    assert "7" in str(error)


def test_fragment_that_leaves_a_gap(run: datainf.Run) -> None:
    messages = [batch(1, [7], ROW[0, :2]), batch(1, [7], ROW[0, 3:], 3)]
    error, _ = send(run, messages)
    assert isinstance(error, datainf.InvalidArgumentError)
    assert "element_offset" in str(error)
    assert run.statistics().sample_count == 1


def test_message_that_is_no_protobuf(run: datainf.Run) -> None:
    error, _ = send(run, [b"\xff\xff\xff"])
    assert isinstance(error, datainf.InvalidArgumentError)
    assert "no IngestRequest" in str(error)


@pytest.mark.usefixtures("run")
def test_query_on_an_empty_run(new_run: NewRun) -> None:
    with pytest.raises(datainf.FailedPreconditionError, match="no samples"):
        new_run(4).query(ROW)


def test_unknown_sample_ids_in_a_query(run: datainf.Run) -> None:
    with pytest.raises(datainf.InvalidArgumentError, match="77"):
        run.query(ROW, ids=[0, 77])
    with pytest.raises(datainf.InvalidArgumentError, match="77"):
        run.query(sample_ids=[77])


def test_revision_that_is_not_there_yet(run: datainf.Run) -> None:
    with pytest.raises(datainf.FailedPreconditionError, match="999") as failure:
        run.query(ROW, min_revision=999)
    assert failure.value.retry_after is not None


@pytest.mark.parametrize(
    "options", [{"damping_scale": 0.0}, {"damping": -1.0}, {"damping": [1.0, 2.0, 3.0]}]
)
def test_wrong_damping(run: datainf.Run, options: Any) -> None:
    with pytest.raises(datainf.InvalidArgumentError, match="damping"):
        run.query(ROW, **options)


@pytest.mark.usefixtures("run")
def test_wrong_definitions_name_every_field(client: datainf.Client) -> None:
    with pytest.raises(datainf.InvalidArgumentError) as failure:
        client.create_run("-no", [datainf.Block("a", 0, 4)], damping_scale=-1)
    fields = " ".join(violation.field for violation in failure.value.violations)
    assert "run_id" in fields
    assert "blocks" in fields
    assert "damping_scale" in fields


def test_run_with_another_definition(client: datainf.Client, run: datainf.Run) -> None:
    blocks = list(run.blocks)
    with pytest.raises(datainf.AlreadyExistsError, match="damping"):
        client.create_run(run.run_id, blocks, damping_scale=0.2)
    with pytest.raises(datainf.AlreadyExistsError, match="block"):
        client.create_run(run.run_id, blocks[:1])


@pytest.mark.usefixtures("run")
def test_second_server_on_the_same_data_directory(server: ServerProcess) -> None:
    command = server.command()
    for flag in ("--unix-socket", "--ready-file"):
        at = command.index(flag)
        del command[at : at + 2]
    second = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)  # noqa: S603
    assert second.returncode != 0
    assert str(server.data_dir) in second.stdout + second.stderr
    assert "Traceback" not in second.stderr
    assert "\tat " not in second.stderr
