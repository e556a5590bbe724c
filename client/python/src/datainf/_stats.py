"""What a writer reports."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class RejectedSample:
    """A sample that the server did not store, because a gradient element is NaN or infinite.

    Attributes:
        sample_id: The sample.
        block_name: Name of the first block at fault.
        reason: `"nan"` or `"infinite"`.
        detail: The same for a person, with element and value.

    Example:
        >>> with run.writer() as writer:
        ...     writer.add([12], np.full((1, run.dimension), np.nan))
        ...     revision = writer.flush()
        >>> writer.rejected[0].sample_id, writer.rejected[0].reason
        (12, 'nan')
    """

    sample_id: int
    block_name: str
    reason: str
    detail: str


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class WriterStats:
    """Counts of one writer, all from the same moment.

    added_samples = acked_samples + buffered_samples; dropped samples are in none of these.

    Attributes:
        added_samples: Taken by `add`.
        added_bytes: Their gradients, bytes as sent.
        acked_samples: No longer this writer's task: durable, duplicate or rejected.
        replaced_samples: Acked, and stored in place of an earlier one of the same id.
        duplicate_samples: Acked, but the run held them already with equal content.
        rejected_samples: Acked, but refused: NaN or infinite.
        dropped_samples: Left out by the policy `"drop"`.
        buffered_samples: Taken and not acked yet; after a failure, those that may be lost.
        buffered_bytes: Their gradients, bytes.
        durable_batch_seq: Highest batch number that the server has made durable; 0 before the
            first.
        revision: Revision of the run that includes all acked samples; 0 before the first ack.
        reconnects: Streams opened after the first.
        recovered_batches: Batches found durable after a reconnect, whose ack was lost. Duplicates,
            replaced and rejected samples among them are not counted here.

    Example:
        >>> with run.writer() as writer:
        ...     writer.add([12], np.ones((1, run.dimension)))
        ...     revision = writer.flush()
        ...     writer.stats().acked_samples
        1
    """

    added_samples: int = 0
    added_bytes: int = 0
    acked_samples: int = 0
    replaced_samples: int = 0
    duplicate_samples: int = 0
    rejected_samples: int = 0
    dropped_samples: int = 0
    buffered_samples: int = 0
    buffered_bytes: int = 0
    durable_batch_seq: int = 0
    revision: int = 0
    reconnects: int = 0
    recovered_batches: int = 0


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Deletion:
    """What a deletion did.

    Attributes:
        deleted_count: Samples deleted.
        absent_count: Ids that the run did not hold.
        revision: Revision of the run after it.

    Example:
        >>> deletion = run.delete_samples([11, 12])
        >>> deletion.deleted_count, deletion.absent_count
        (1, 1)
    """

    deleted_count: int
    absent_count: int
    revision: int
