"""The channel to the server and the calls on it."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from typing import Any

import grpc

from datainf._errors import error_of, from_rpc_error
from datainf._options import ClientOptions
from datainf._proto.v1 import (
    analysis_service_pb2_grpc,
    capabilities_service_pb2,
    capabilities_service_pb2_grpc,
    export_service_pb2_grpc,
    influence_service_pb2_grpc,
    ingest_service_pb2,
    ingest_service_pb2_grpc,
    run_service_pb2_grpc,
)

_TARGET = re.compile(r"unix:.+|dns:.+|(\[[0-9A-Fa-f:.]+\]|[^:/\s\[\]]+):\d{1,5}")
_INGEST_METHOD = "/datainf.v1.IngestService/Ingest"

_CHANNEL_OPTIONS = [
    # Answers are cut by the server; a layout of 65,536 long names is larger than gRPC's default of
    # 4 MiB.
    ("grpc.max_receive_message_length", -1),
    # gRPC's own wait between connection attempts grows to 120 s, during which calls fail although
    # the server is back.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 2_000),
    # Finds connections that died silently. More often than each 5 minutes, servers take it for an
    # attack.
    ("grpc.keepalive_time_ms", 330_000),
    ("grpc.http2.max_pings_without_data", 0),
]

# The process that has used gRPC, whose threads and sockets do not outlive a fork.
_grpc_process: int | None = None


def _claim_grpc() -> None:
    """Raises RuntimeError in a process that was forked from one that has used gRPC."""
    global _grpc_process  # noqa: PLW0603  # gRPC's state is one per process, too
    if _grpc_process not in (None, os.getpid()):
        raise RuntimeError(
            f"process {os.getpid()} was forked from process {_grpc_process}, which has made a"
            " client: gRPC does not work in both, and calls could hang. Start the process by"
            " multiprocessing's method 'spawn' or 'forkserver', or make the first client after"
            " the fork"
        )
    _grpc_process = os.getpid()


class Connection:
    """Channel and stubs of one client. Opens no socket before the first call. Thread-safe."""

    def __init__(self, target: str, options: ClientOptions) -> None:
        if not isinstance(target, str) or not _TARGET.fullmatch(target):
            raise ValueError(f"target is {target!r}: expected 'host:port' or 'unix:/path'")
        _claim_grpc()
        if options.credentials is None:
            self._channel = grpc.insecure_channel(target, options=_CHANNEL_OPTIONS)
        else:
            self._channel = grpc.secure_channel(
                target, options.credentials, options=_CHANNEL_OPTIONS
            )
        self.target = target
        self.options = options
        self.runs: Any = run_service_pb2_grpc.RunServiceStub(self._channel)
        self.influence: Any = influence_service_pb2_grpc.InfluenceServiceStub(self._channel)
        self.analysis: Any = analysis_service_pb2_grpc.AnalysisServiceStub(self._channel)
        self.export: Any = export_service_pb2_grpc.ExportServiceStub(self._channel)
        self.ingest_unary: Any = ingest_service_pb2_grpc.IngestServiceStub(self._channel)
        self._capability_stub: Any = capabilities_service_pb2_grpc.CapabilitiesServiceStub(
            self._channel
        )
        # Requests are serialized already: see _frames.
        self._ingest: Any = self._channel.stream_stream(
            _INGEST_METHOD,
            request_serializer=None,
            response_deserializer=ingest_service_pb2.IngestResponse.FromString,
        )
        self._capabilities: capabilities_service_pb2.GetCapabilitiesResponse | None = None
        self._process_id = os.getpid()
        self._closed = False

    def call(self, method: Callable[..., Any], request: Any, timeout_seconds: float) -> Any:
        """Makes a unary call.

        Raises:
            DataInfError: It failed.
        """
        self.require_usable()
        try:
            return method(request, timeout=timeout_seconds, metadata=self.options.metadata)
        except grpc.RpcError as error:
            raise from_rpc_error(error) from None

    def stream(
        self, method: Callable[..., Any], request: Any, timeout_seconds: float | None
    ) -> Any:
        """Starts a call whose answer is a stream; `request` may be an iterator of messages."""
        self.require_usable()
        return method(request, timeout=timeout_seconds, metadata=self.options.metadata)

    def ingest(self, messages: Iterator[bytes]) -> Any:
        """Starts a stream of a writer. No deadline: it lasts as long as the training.

        Raises:
            DataInfError: The client is closed.
        """
        if self._closed:
            raise error_of(grpc.StatusCode.FAILED_PRECONDITION, "its client was closed")
        return self._ingest(messages, metadata=self.options.metadata)

    def capabilities(self) -> capabilities_service_pb2.GetCapabilitiesResponse:
        """Returns the server's limits, asked for once."""
        if self._capabilities is None:
            self._capabilities = self.call(
                self._capability_stub.GetCapabilities,
                capabilities_service_pb2.GetCapabilitiesRequest(),
                self.options.timeout_seconds,
            )
        return self._capabilities

    def require_usable(self) -> None:
        """Raises RuntimeError if the client is closed or was carried through a fork."""
        if os.getpid() != self._process_id:
            raise RuntimeError(
                f"the client was made in process {self._process_id} and cannot be used in"
                f" process {os.getpid()}, forked from it: it stays with its process"
            )
        if self._closed:
            raise RuntimeError("the client is closed")

    def close(self) -> None:
        """Closes the channel; calls that run are cancelled. A fork's child leaves it alone."""
        if os.getpid() == self._process_id and not self._closed:
            self._closed = True
            self._channel.close()
