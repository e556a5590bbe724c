"""Options of clients and writers."""

from __future__ import annotations

import dataclasses
from typing import Literal

import grpc

Policy = Literal["block", "drop", "raise"]
"""What `Writer.add` does when the buffer is full."""


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class ClientOptions:
    """How a client reaches the server.

    Example:
        >>> datainf.ClientOptions(timeout_seconds=5).timeout_seconds
        5
    """

    credentials: grpc.ChannelCredentials | None = None
    """TLS, with call credentials if composed by `grpc.composite_channel_credentials`. None: plain
    text, for a server on this machine."""

    metadata: tuple[tuple[str, str], ...] = ()
    """Sent with every call, e.g. `(("authorization", "Bearer ..."),)`. Keys in lower case."""

    timeout_seconds: float = 30.0
    """Most time for a call that does not read gradients, e.g. creating or listing runs."""

    query_timeout_seconds: float = 600.0
    """Most time for a query or statistics, unless the call says otherwise."""

    def __post_init__(self) -> None:
        """Checks the values."""
        _require_positive("timeout_seconds", self.timeout_seconds)
        _require_positive("query_timeout_seconds", self.query_timeout_seconds)


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class WriterOptions:
    """How a writer buffers, sends and tries again.

    Example:
        >>> datainf.WriterOptions(policy="drop", max_buffered_bytes=16 << 20).policy
        'drop'
    """

    policy: Policy = "block"
    """What `add` does when the buffer is full. `"block"`: wait for room, at most
    `block_timeout_seconds`, then raise `WriterFullError`. `"drop"`: leave all samples of the call
    out and count them; lambda and scores are then those of the samples that were kept. `"raise"`:
    raise `WriterFullError` at once."""

    max_buffered_bytes: int = 64 << 20
    """Most bytes of gradients that wait to be sent or acked. One message, or with `"drop"` and
    `"raise"` one call of `add`, may exceed it while nothing else is buffered."""

    block_timeout_seconds: float = 600.0
    """Longest wait of `add` under `"block"`, and of every writer's first `add` for the server."""

    message_bytes: int = 2 << 20
    """Largest message to send; the server's own limit, if lower, is kept too. A larger sample
    travels in fragments."""

    shared_memory: bool = True
    """Whether gradients may lie in memory that is shared with the server, if that is on the same
    host and is reached through its Unix socket, instead of going through the socket: several times
    as fast. `max_buffered_bytes` of it, for as long as the writer is connected."""

    linger_seconds: float = 0.01
    """How long samples of less than half a message may wait for others to share one. Fewer
    messages leave more of Python to the trainer. `flush` and `close` do not wait."""

    retry_deadline_seconds: float = 300.0
    """How long to try again, since the last progress, before the writer fails."""

    retry_initial_seconds: float = 0.1
    """Mean wait before the first new attempt; doubles with each, unless the server says how
    long."""

    retry_max_seconds: float = 5.0
    """Longest mean wait between two attempts."""

    close_timeout_seconds: float = 600.0
    """Longest wait of `close`, and of leaving the `with` block, for the last acks."""

    def wanted_shared_bytes(self) -> int:
        """Returns how much memory to ask the server to share: the buffer and some to spare."""
        return self.max_buffered_bytes + 2 * self.message_bytes if self.shared_memory else 0

    def __post_init__(self) -> None:
        """Checks the values."""
        if self.policy not in ("block", "drop", "raise"):
            raise ValueError(f"policy is {self.policy!r}, expected 'block', 'drop' or 'raise'")
        if self.message_bytes < 1024:
            raise ValueError(f"message_bytes is {self.message_bytes}, expected at least 1024")
        for field in dataclasses.fields(self):
            if field.name not in ("policy", "shared_memory"):
                _require_positive(field.name, getattr(self, field.name))


def _require_positive(name: str, value: float) -> None:
    if not value > 0:
        raise ValueError(f"{name} is {value}, expected more than 0")
