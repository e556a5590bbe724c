"""A run: its definition, and what can be done with it."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Sequence

import numpy.typing as npt

from datainf import _query
from datainf._connection import Connection
from datainf._encoding import Dtype, dtype_name
from datainf._options import WriterOptions
from datainf._proto.v1 import run_service_pb2
from datainf._query import Aggregation, Method, Normalization, Ranking
from datainf._result import QueryResult
from datainf._sender import Progress
from datainf._writer import Writer


@dataclasses.dataclass(frozen=True, slots=True)
class Block:
    """One LoRA weight matrix. lora_A and lora_B of one module are two blocks.

    Attributes:
        name: PEFT's parameter name without the adapter name. Unique within a run.
        rows: The LoRA rank, also for lora_B, whose gradient is transposed to [rank, width].
        columns: The width.

    Example:
        >>> datainf.Block("layers.0.q_proj.lora_A.weight", rows=4, columns=64).dimension
        256
    """

    name: str
    rows: int
    columns: int

    @property
    def dimension(self) -> int:
        """Elements of the block, d_l = rows * columns."""
        return self.rows * self.columns


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
    """

    revision: int
    sample_count: int
    blocks: tuple[BlockStatistics, ...]


class Run:
    """One fine-tuning job whose per-sample gradients the server holds. Made by `Client`.

    Attributes:
        run_id: Its name.
        blocks: The blocks of each sample, in order.
        dimension: Elements of one sample, D = sum of the blocks' dimensions.
        stored_dtype: Encoding in which samples are stored: `"f32"` or `"bf16"`.
        damping_scale: c of lambda_l = c / (n d_l) * sum_i |g_i|^2.
        checkpoint: Which parameters the gradients were taken at.
        labels: The user's own tags.
        layout_hash: The server's digest of `blocks`.
        create_time: When it was created.
        sample_count: Samples, n, when this object was made; `statistics` tells the present.
        revision: Revision when this object was made.
    """

    def __init__(self, connection: Connection, message: run_service_pb2.Run) -> None:
        """Use `Client.create_run` or `Client.run`."""
        self._connection = connection
        self.run_id = message.run_id
        self.blocks = tuple(Block(b.name, b.rows, b.columns) for b in message.layout.blocks)
        self.dimension = message.dimension
        self.stored_dtype = dtype_name(message.stored_element_type)
        self.damping_scale = message.damping_scale
        self.checkpoint = message.checkpoint
        self.labels = dict(message.labels)
        self.layout_hash = message.layout_hash
        self.create_time = message.create_time.ToDatetime(datetime.timezone.utc)
        self.sample_count = message.sample_count
        self.revision = message.revision

    def __repr__(self) -> str:
        """Returns name and shape."""
        return (
            f"Run({self.run_id!r}, blocks={len(self.blocks)}, dimension={self.dimension},"
            f" stored_dtype={self.stored_dtype!r})"
        )

    def writer(
        self,
        *,
        dtype: Dtype = "f32",
        writer_id: str | None = None,
        checkpoint: str | None = None,
        options: WriterOptions | None = None,
        on_progress: Progress | None = None,
    ) -> Writer:
        """Returns a writer that streams gradients into this run. Connects at its first `add`.

        Args:
            dtype: Encoding on the wire. The server converts to `stored_dtype`.
            writer_id: Identifies the writer across processes, 1 to 128 bytes. Give one only to go
                on where an earlier process stopped: batches are then counted on from there. None: a
                fresh one.
            checkpoint: Which parameters the gradients are taken at; the server refuses another than
                the run's. None: the run's own, unchecked.
            options: Buffering and trying again.
            on_progress: Called with the counts after each ack, on the writer's thread.

        Raises:
            ValueError: dtype is unknown.

        Example:
            >>> with run.writer(options=datainf.WriterOptions(policy="raise")) as writer:
            ...     for k in range(3):
            ...         writer.add(k, np.full(run.dimension, k, np.float32), steps=k)
            >>> writer.stats().added_samples
            3
        """
        return Writer(
            self,
            dtype=dtype,
            writer_id=writer_id,
            checkpoint=checkpoint,
            options=options or WriterOptions(),
            on_progress=on_progress,
        )

    def query(
        self,
        gradient: npt.ArrayLike | None = None,
        *,
        sample_ids: npt.ArrayLike | None = None,
        method: Method = "datainf",
        aggregation: Aggregation = "each",
        damping_scale: float | None = None,
        damping: float | Sequence[float] | npt.ArrayLike | None = None,
        top_k: int | None = None,
        ranking: Ranking = "most_harmful",
        ids: npt.ArrayLike | None = None,
        per_block: bool = False,
        normalization: Normalization = "raw",
        min_revision: int = 0,
        reproducible: bool = False,
        timeout: float | None = None,
    ) -> QueryResult:
        """Returns the influence of training samples on the loss of validation points.

        score_k = - sum_l h_l . g_{k,l} with h_l = (v_l - r_l) / lambda_l and r_l = 1/n sum_i (v_l .
        g_{i,l}) / (lambda_l + |g_{i,l}|^2) g_{i,l} for `method="datainf"` (arXiv 2310.00902).
        **Negative = helpful, positive = harmful**; dattri, LogIX, kronfluence and captum use the
        opposite sign. Sees the samples that are durable when the work starts; writers may go on.

        Args:
            gradient: Gradient of the loss of each validation point, floats, shape [m, D], or [D]
                for one; blocks in the order of the layout, as for `Writer.add`. float16 and
                ml_dtypes' bfloat16 travel as they are, wider floats as float32.
            sample_ids: Instead of `gradient`: stored samples in the place of validation points,
                [m].
            method: How the inverse Hessian-vector product is computed. `"hessian_free"`: h = v.
            aggregation: `"each"`: one row of scores per validation point. `"mean"`: one row, for
                the mean of their gradients.
            damping_scale: c instead of the run's.
            damping: Fixed lambda, one value or one a block [L], instead of one from the statistics.
            top_k: Return this many samples, those that rank first. None: all.
            ranking: What ranks first with `top_k`: `"most_harmful"` (greatest score),
                `"most_helpful"` (least) or `"absolute"`. Ties go to the smaller sample id.
            ids: Return these samples, in this order.
            per_block: Also return each block's term; not with `top_k`.
            normalization: `"raw"`; `"cosine"`: score / (|h| |g_k|); `"relatif"`: score /
                sqrt(-self-influence).
            min_revision: Answer only from this revision or a later one, e.g. `Writer.flush()`'s.
            reproducible: Bit-identical for any load and thread count; the query runs alone.
            timeout: Most seconds; None: `ClientOptions.query_timeout_seconds`.

        Returns:
            Ids and scores, [m, k], with the snapshot they were computed from.

        Raises:
            TypeError: A dtype is wrong.
            ValueError: A value is out of range, or two exclude each other.
            InvalidArgumentError: The gradient holds NaN or infinity; a sample id is not in the run.
            NotFoundError: The run was deleted.
            FailedPreconditionError: The run holds no samples, or is not at `min_revision` yet.
            ResourceExhaustedError: Too many queries wait, or the query or its answer is too large.
            DeadlineExceededError: The time ran out.
            UnavailableError: The server cannot be reached.
            DataInfError: Other errors; code UNIMPLEMENTED: this server lacks a method or an option.

        Example:
            >>> result = run.query(np.ones((2, run.dimension), np.float32), method="hessian_free")
            >>> result.scores.shape == (2, result.snapshot.sample_count)
            True
        """
        query = _query.build(
            run_id=self.run_id,
            dimension=self.dimension,
            block_names=tuple(block.name for block in self.blocks),
            gradient=gradient,
            sample_ids=sample_ids,
            method=method,
            aggregation=aggregation,
            damping_scale=damping_scale,
            damping=damping,
            top_k=top_k,
            ranking=ranking,
            ids=ids,
            per_block=per_block,
            normalization=normalization,
            min_revision=min_revision,
            reproducible=reproducible,
        )
        seconds = self._connection.options.query_timeout_seconds if timeout is None else timeout
        return _query.ask(self._connection, query, seconds)

    def statistics(self) -> RunStatistics:
        """Returns the statistics of each block as they are now.

        Raises:
            NotFoundError: The run was deleted.
            DataInfError: Other errors.

        Example:
            >>> [block.dimension for block in run.statistics().blocks]
            [8, 6]
        """
        response = self._connection.call(
            self._connection.runs.GetStatistics,
            run_service_pb2.GetStatisticsRequest(run_id=self.run_id),
            self._connection.options.query_timeout_seconds,
        )
        blocks = (
            BlockStatistics(
                **{
                    field.name: getattr(b, field.name)
                    for field in dataclasses.fields(BlockStatistics)
                }
            )
            for b in response.blocks
        )
        return RunStatistics(
            revision=response.revision, sample_count=response.sample_count, blocks=tuple(blocks)
        )

    def delete(self) -> None:
        """Deletes the run with all of its samples, durably.

        Raises:
            NotFoundError: It was deleted before.
            DataInfError: Other errors.

        Example:
            >>> client.create_run("short-lived", [datainf.Block("b", 1, 2)]).delete()
        """
        self._connection.call(
            self._connection.runs.DeleteRun,
            run_service_pb2.DeleteRunRequest(run_id=self.run_id),
            self._connection.options.timeout_seconds,
        )
