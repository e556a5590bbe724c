"""A batch on its way to the server, and what the server allows."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from datainf._frames import (
    Rows,
    batch_message,
    fragment_messages,
    rows_per_message,
    shared_message,
)
from datainf._shared import Place


@dataclasses.dataclass(frozen=True, slots=True)
class Limits:
    """What the server allows on a stream, in bytes."""

    max_message_bytes: int
    max_unacked_bytes: int


@dataclasses.dataclass(slots=True, eq=False)
class Batch:
    """Samples that go together.

    Attributes:
        sample_count: Its samples.
        gradient_bytes: Their gradients, bytes.
        batch_seq: Its number; 0 until it has its place among the others.
        message_bytes: Size of the messages it is cut for.
        limit_bytes: Largest message that the server takes.
        rows: Samples that are the batch's own, of which messages are yet to be made.
        messages: As it goes on the wire, once or again; empty until they are made.
        shared: Samples that the messages refer to, in memory shared with the server.
    """

    sample_count: int
    gradient_bytes: int
    batch_seq: int = 0
    message_bytes: int = 0
    limit_bytes: int = 0
    rows: Rows | None = None
    messages: Sequence[bytes] = ()
    shared: Rows | None = None

    @staticmethod
    def of(rows: Rows) -> Batch:
        """Returns a batch for `rows`, which stay the caller's."""
        return Batch(len(rows.sample_ids), rows.gradients.nbytes)

    def is_ready(self) -> bool:
        """True if the sender has what it needs."""
        return bool(self.messages) or self.rows is not None

    def claim(self) -> Rows | None:
        """Returns the batch's own rows, for the caller alone to make messages of, if it has any."""
        rows, self.rows = self.rows, None
        return rows

    def withdraw(self) -> None:
        """Forgets messages that refer to memory of an earlier stream; they are made again."""
        if self.shared is not None:
            self.rows, self.shared = self.shared, None
            self.messages = ()

    def free(self) -> None:
        """Gives back what it holds; it is durable."""
        if self.shared is not None and self.shared.place is not None:
            self.shared.place.free()
            self.shared = None

    def largest_bytes(self) -> int:
        """Returns about the size of its largest message."""
        return max(map(len, self.messages), default=min(self.gradient_bytes, self.message_bytes))

    def share(self, rows: Rows, place: Place, *, allow_deleted: bool) -> tuple[bytes, Rows]:
        """Has the gradients of `rows` lie in `place`; returns the message, and the rows there."""
        there = rows
        if rows.place is not place:
            memory = place.rows(rows.gradients)
            memory[:] = rows.gradients
            there = Rows(rows.sample_ids, rows.steps, memory, place)
        message = shared_message(self.batch_seq, there, place, allow_deleted=allow_deleted)
        return message, there

    def serialize(self, rows: Rows, *, allow_deleted: bool) -> list[bytes]:
        """Returns the messages: one, or the fragments of samples that are larger than a message."""
        # The server takes fragments of several samples only if these are many for one message.
        most = self.message_bytes if len(rows.sample_ids) == 1 else self.limit_bytes
        if len(rows.sample_ids) > rows_per_message(rows.gradients[0].nbytes, most):
            return list(
                fragment_messages(
                    self.batch_seq, rows, self.message_bytes, allow_deleted=allow_deleted
                )
            )
        message = batch_message(
            self.batch_seq,
            rows.sample_ids,
            rows.steps,
            [rows.gradients],
            allow_deleted=allow_deleted,
        )
        return [message]
