"""What a writer has counted so far."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Sequence

from datainf._stats import RejectedSample, WriterStats

_log = logging.getLogger("datainf")

# Rejected samples are kept for the user up to this number; all are counted.
_MAX_KEPT_REJECTIONS = 10_000


class Tally:
    """Counts of a writer by the names of `WriterStats`. Not thread-safe: its outbox guards it."""

    def __init__(self) -> None:
        self.counts: dict[str, int] = dataclasses.asdict(WriterStats())
        self.rejected: list[RejectedSample] = []

    def __getitem__(self, name: str) -> int:
        """Returns one count."""
        return self.counts[name]

    def take(self, sample_count: int, gradient_bytes: int) -> None:
        """Counts samples that were put."""
        for state in ("added", "buffered"):
            self.counts[f"{state}_samples"] += sample_count
            self.counts[f"{state}_bytes"] += gradient_bytes

    def drop(self, sample_count: int) -> None:
        """Counts samples that the policy left out."""
        if self.counts["dropped_samples"] == 0:
            _log.warning("the buffer is full: samples are dropped, as the policy says")
        self.counts["dropped_samples"] += sample_count

    def settle(self, sample_count: int, gradient_bytes: int) -> None:
        """Counts samples that are no longer the writer's task."""
        self.counts["acked_samples"] += sample_count
        self.counts["buffered_samples"] -= sample_count
        self.counts["buffered_bytes"] -= gradient_bytes

    def advance(self, durable_batch_seq: int, revision: int) -> None:
        """Moves the durable point and the revision on, never back."""
        for name, value in (("durable_batch_seq", durable_batch_seq), ("revision", revision)):
            self.counts[name] = max(self.counts[name], value)

    def reconnect(self, recovered_batches: int) -> None:
        """Counts a stream after the first, and the batches that it found durable."""
        self.counts["reconnects"] += 1
        self.counts["recovered_batches"] += recovered_batches

    def acknowledge(
        self, replaced_count: int, duplicate_count: int, rejected: Sequence[RejectedSample]
    ) -> None:
        """Counts what an ack says of its samples."""
        if rejected and not self.rejected:
            _log.warning("sample %d was rejected: %s", rejected[0].sample_id, rejected[0].detail)
        self.rejected.extend(rejected[: _MAX_KEPT_REJECTIONS - len(self.rejected)])
        self.counts["replaced_samples"] += replaced_count
        self.counts["duplicate_samples"] += duplicate_count
        self.counts["rejected_samples"] += len(rejected)
