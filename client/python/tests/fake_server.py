"""The other end of the wire, for what a real server cannot show on demand."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from concurrent import futures
from typing import Any, NoReturn

import grpc
import numpy as np
from google.protobuf import any_pb2, duration_pb2
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

import datainf
from datainf._connection import Connection
from datainf._options import ClientOptions
from datainf._proto.v1 import (
    ingest_service_pb2,
    ingest_service_pb2_grpc,
    run_service_pb2,
    run_service_pb2_grpc,
    types_pb2,
)

# Serves stream number i, from 0: takes the messages after Open, yields answers.
Script = Callable[[int, Iterator[Any], grpc.ServicerContext], Iterator[Any]]

DIMENSION = 4
LONG_SECONDS = 30.0


class FakeServer(
    ingest_service_pb2_grpc.IngestServiceServicer, run_service_pb2_grpc.RunServiceServicer
):
    """Plays a script for each stream, and keeps what was opened."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self.opens: list[Any] = []
        self.revision = 0

    def Ingest(self, requests: Iterator[Any], context: grpc.ServicerContext) -> Iterator[Any]:  # noqa: N802
        self.opens.append(next(requests).open)
        yield from self._script(len(self.opens) - 1, requests, context)

    def GetRun(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802, ARG002
        return run_service_pb2.GetRunResponse(run=run_service_pb2.Run(revision=self.revision))


@contextlib.contextmanager
def serving(script: Script) -> Iterator[tuple[FakeServer, datainf.Run]]:
    """Serves a run of one block of 4 elements."""
    fake = FakeServer(script)
    server = grpc.server(futures.ThreadPoolExecutor(4))
    ingest_service_pb2_grpc.add_IngestServiceServicer_to_server(fake, server)
    run_service_pb2_grpc.add_RunServiceServicer_to_server(fake, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    connection = Connection(f"127.0.0.1:{port}", ClientOptions())
    block = types_pb2.Block(name="b", rows=1, columns=DIMENSION)
    message = run_service_pb2.Run(
        run_id="r",
        layout=types_pb2.BlockLayout(blocks=[block]),
        dimension=DIMENSION,
        layout_hash="hash",
    )
    try:
        yield fake, datainf.Run(connection, message)
    finally:
        connection.close()
        server.stop(0).wait()


def opened(after: int = 0, *, message_bytes: int = 1 << 20, unacked: int = 1 << 20) -> Any:
    return ingest_service_pb2.IngestResponse(
        opened=ingest_service_pb2.Opened(
            resume_after_batch_seq=after,
            max_message_bytes=message_bytes,
            max_unacked_bytes=unacked,
        )
    )


def ack(batch_seq: int, revision: int = 0, **fields: Any) -> Any:
    return ingest_service_pb2.IngestResponse(
        ack=ingest_service_pb2.Ack(durable_batch_seq=batch_seq, revision=revision, **fields)
    )


def abort(
    context: grpc.ServicerContext,
    code: grpc.StatusCode,
    message: str,
    retry_after_seconds: float | None = None,
) -> NoReturn:
    """Ends the call with a google.rpc.Status."""
    details = []
    if retry_after_seconds is not None:
        delay = duration_pb2.Duration(nanos=int(retry_after_seconds * 1e9))
        detail = any_pb2.Any()
        detail.Pack(error_details_pb2.RetryInfo(retry_delay=delay))
        details.append(detail)
    status = status_pb2.Status(code=code.value[0], message=message, details=details)
    context.abort_with_status(rpc_status.to_status(status))
    raise AssertionError("abort_with_status raises")


def acking(requests: Iterator[Any], after: int = 0) -> Iterator[Any]:
    """Opens and acks every batch that begins after `after`, one revision per sample."""
    yield opened(after)
    revision = after
    for request in requests:
        revision += len(request.batch.sample_ids)
        yield ack(request.batch.batch_seq, revision)


@contextlib.contextmanager
def never_acking() -> Iterator[datainf.Run]:
    ended = threading.Event()

    def script(_: int, requests: Iterator[Any], __: Any) -> Iterator[Any]:
        yield opened()
        for _request in requests:
            pass
        ended.wait()

    with serving(script) as (_, run):
        try:
            yield run
        finally:
            ended.set()


def rows(count: int, value: float = 1.0) -> Any:
    return np.full((count, DIMENSION), value, np.float32)
