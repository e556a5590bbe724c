"""Statistics of a run."""

from __future__ import annotations

import dataclasses

from datainf._proto.v1 import run_service_pb2


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class BlockStatistics:
    """What is known of one block over the n samples of a revision; q_i is its |g_i|^2.

    Attributes:
        name: The block's name.
        dimension: Elements of the block, d_l.
        squared_norm_sum: Sum of q_i.
        damping: lambda_l at the run's damping scale; 0 when no gradient so far has an element other
            than 0.
        squared_norm_min: Least q_i; 0 when there are no samples.
        squared_norm_median: Median of q_i; 0 when there are no samples.
        squared_norm_max: Greatest q_i; 0 when there are no samples.
        zero_gradient_count: Samples whose gradient is all zero in this block.
        skipped: True when damping is 0: queries leave the block out and say so.

    Example:
        >>> block = run.statistics().blocks[0]
        >>> block.name, block.dimension, block.squared_norm_max
        ('block0', 8, 8.0)
    """

    name: str
    dimension: int
    squared_norm_sum: float
    damping: float
    squared_norm_min: float
    squared_norm_median: float
    squared_norm_max: float
    zero_gradient_count: int
    skipped: bool


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class RunStatistics:
    """Statistics of each block at one revision.

    Attributes:
        revision: The revision.
        sample_count: Samples, n.
        blocks: One entry a block, in layout order.

    Example:
        >>> statistics = run.statistics()
        >>> statistics.sample_count, len(statistics.blocks)
        (2, 2)
    """

    revision: int
    sample_count: int
    blocks: tuple[BlockStatistics, ...]


def statistics_of(response: run_service_pb2.GetStatisticsResponse) -> RunStatistics:
    """Returns the statistics that a message holds."""
    names = [field.name for field in dataclasses.fields(BlockStatistics)]
    blocks = (
        BlockStatistics(**{name: getattr(block, name) for name in names})
        for block in response.blocks
    )
    return RunStatistics(
        revision=response.revision, sample_count=response.sample_count, blocks=tuple(blocks)
    )
