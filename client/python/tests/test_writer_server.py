"""Writers that come back, and servers that stop, with the real server."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from server_process import ServerProcess

import datainf

DIMENSION = 64
ROW_BYTES = 4 * DIMENSION
LONG_SECONDS = 60.0


def rows(first: int, count: int) -> Any:
    return np.repeat(np.arange(first, first + count, dtype=np.float32)[:, None], DIMENSION, axis=1)


def test_writer_id_goes_on_after_the_durable_point_of_an_earlier_process(short_path: Path) -> None:
    process = ServerProcess(short_path)
    process.start()
    try:
        with datainf.Client(process.target) as client:
            run = client.create_run("r", [datainf.Block("b", 1, DIMENSION)])
            with run.writer(writer_id="rank-0") as writer:
                for sample_id in range(100):
                    writer.add(sample_id, rows(sample_id, 1))
            durable = writer.durable_batch_seq
            assert durable > 0
        assert process.kill() == -signal.SIGKILL
        process.start()
        with datainf.Client(process.target) as client:
            run = client.run("r")
            assert set(run.squared_norms().ids.tolist()) == set(range(100))
            with run.writer(writer_id="rank-0") as writer:
                writer.add(range(90, 150), rows(90, 60))  # it does not know where it stopped
                assert writer.flush(LONG_SECONDS) == 150
                assert writer.durable_batch_seq == durable + 1
                assert writer.duplicates == 10
            assert run.statistics().sample_count == 150
    finally:
        assert process.stop() == 0


def test_writer_id_opened_again_ends_the_older_writer_with_a_reason(
    new_run: Callable[..., datainf.Run],
) -> None:
    run = new_run(DIMENSION)
    older = run.writer(writer_id="rank-0")
    older.add(1, rows(1, 1))
    older.flush(LONG_SECONDS)
    with run.writer(writer_id="rank-0") as newer:
        newer.add(2, rows(2, 1))
        newer.flush(LONG_SECONDS)
        with pytest.raises(datainf.DataInfError, match="opened again by another stream") as failure:
            _add_until_it_fails(older)
        assert failure.value.code is grpc.StatusCode.ABORTED
        assert failure.value.reason == "WRITER_SUPERSEDED"
        with pytest.raises(datainf.DataInfError, match=r"writer 'rank-0' of run '.*' failed"):
            older.close()
        newer.add(3, rows(3, 1))
    assert run.statistics().sample_count == 3


def _add_until_it_fails(writer: datainf.Writer) -> None:
    """Adds a sample; the server may have ended the stream before or does so now."""
    writer.add(9, rows(9, 1))
    writer.flush(LONG_SECONDS)


def test_writer_id_that_may_not_go_on_is_told_why(new_run: Callable[..., datainf.Run]) -> None:
    run = new_run(DIMENSION)
    with run.writer(writer_id="rank-0") as writer:
        writer.add(1, rows(1, 1))
    writer = run.writer(writer_id="rank-0", checkpoint="step-9")
    with pytest.raises(datainf.FailedPreconditionError, match=r"checkpoint.*step-9"):
        writer.add(2, rows(2, 1))
    run.delete()
    writer = run.writer(writer_id="rank-0")
    with pytest.raises(datainf.NotFoundError, match=f"'{run.run_id}'"):
        writer.add(2, rows(2, 1))


@pytest.mark.parametrize("policy", ["block", "drop", "raise"])
def test_policy_while_the_server_is_paused_and_all_that_was_taken_arrives(
    server: ServerProcess, new_run: Callable[..., datainf.Run], policy: Any
) -> None:
    options = datainf.WriterOptions(
        policy=policy, max_buffered_bytes=8 * ROW_BYTES, block_timeout_seconds=5.0
    )
    run = new_run(DIMENSION)
    with run.writer(options=options) as writer:
        writer.add(0, rows(0, 1))
        writer.flush(LONG_SECONDS)
        with server.paused():
            for sample_id in range(1, 9):
                writer.add(sample_id, rows(sample_id, 1))
            if policy == "drop":
                writer.add([9, 10], rows(9, 2))
            else:
                with pytest.raises(datainf.WriterFullError, match="bytes wait for acks"):
                    writer.add([9, 10], rows(9, 2))
            stats = writer.stats()
            assert stats.buffered_bytes == 8 * ROW_BYTES
            assert stats.dropped_samples == (2 if policy == "drop" else 0)
        assert writer.flush(LONG_SECONDS) == 9
        writer.add([9, 10], rows(9, 2))
    assert writer.stats().reconnects == 0
    assert run.statistics().sample_count == 11
