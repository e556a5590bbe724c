"""A run: its definition, and what can be done with it."""

from __future__ import annotations

import datetime
import secrets
import uuid
from collections.abc import Callable, Sequence

import numpy.typing as npt

from datainf import _analysis, _query
from datainf._analysis import JobEstimate, MethodComparison, SelfInfluence, SquaredNorms
from datainf._arrays import GradientsLike
from datainf._block import Block
from datainf._connection import Connection
from datainf._encoding import Dtype, dtype_name, element_type, sample_id_list
from datainf._options import WriterOptions
from datainf._progress import Progress, ProgressBar
from datainf._proto.v1 import ingest_service_pb2, run_service_pb2
from datainf._query import Aggregation, Method, Normalization, Ranking
from datainf._reading import SampleStream, read_samples
from datainf._result import QueryResult
from datainf._statistics import RunStatistics, statistics_of
from datainf._stats import Deletion
from datainf._writer import Writer

_MOST_DELETIONS = 100_000


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
        resident_sample_count: Those whose gradients are in the server's memory; queries read the
            others from its files.
        revision: Revision when this object was made.
        damaged_sample_count: Samples that were acked and cannot be read any more, because their
            bytes on disk are damaged. They are not among `sample_count`; send them again.
        damaged_sample_ids: The first 1,000 of their ids, as far as they can be read; from
            `Client.run` only.

    Example:
        >>> run.dimension, run.sample_count
        (14, 0)
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
        self.resident_sample_count = message.resident_sample_count
        self.damaged_sample_count = message.damaged_sample_count
        self.damaged_sample_ids = list(message.damaged_sample_ids)

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
        allow_deleted: bool = False,
        options: WriterOptions | None = None,
        progress: bool = False,
        on_progress: Progress | None = None,
    ) -> Writer:
        """Returns a writer that streams gradients into this run. Connects at its first `add`.

        Args:
            dtype: Encoding on the wire. The server converts to `stored_dtype`.
            writer_id: Identifies the writer across processes, 1 to 128 bytes. Give one only for a
                newer process to take over: batches are counted on from the last durable one, and
                an older process that still has the id fails with ABORTED. None: a fresh one.
            checkpoint: Which parameters the gradients are taken at; the server refuses another than
                the run's. None: the run's own, unchecked.
            allow_deleted: Whether samples that were deleted may come back. Otherwise the server
                refuses them with FailedPreconditionError, which ends the writer.
            options: Buffering and trying again.
            progress: Whether to show a bar of acked samples and bytes, which takes tqdm.
            on_progress: Called with the counts after each ack, on the writer's thread.

        Raises:
            ValueError: dtype is unknown.
            ImportError: `progress` without tqdm.

        Example:
            >>> with run.writer(options=datainf.WriterOptions(policy="raise")) as writer:
            ...     for k in range(3):
            ...         writer.add(k, np.full(run.dimension, k, np.float32), steps=k)
            >>> writer.stats().added_samples
            3
        """
        options = options or WriterOptions()
        opening = ingest_service_pb2.Open(
            run_id=self.run_id,
            writer_id=str(uuid.uuid4()) if writer_id is None else writer_id,
            layout_hash=self.layout_hash,
            element_type=element_type(dtype),
            checkpoint=self.checkpoint if checkpoint is None else checkpoint,
            shared_memory_bytes=options.wanted_shared_bytes(),
            writer_instance=secrets.randbelow(2**64 - 1) + 1,
        )
        return Writer(
            self._connection,
            opening,
            dimension=self.dimension,
            dtype=dtype,
            allow_deleted=allow_deleted,
            options=options,
            on_progress=on_progress,
            bar=ProgressBar(self.run_id) if progress else None,
        )

    def delete_samples(self, sample_ids: npt.ArrayLike) -> Deletion:
        """Deletes samples, durably. Afterwards scores are those of a run that never held them.

        May be repeated: ids that the run does not hold are counted. The server remembers the ids:
        only a writer with `allow_deleted=True` brings a deleted sample back.

        Args:
            sample_ids: Ids, integers from 0 to 2^64 - 1, shape [k], or one integer. Up to 100,000
                are deleted at once, or not at all; more, part by part.

        Raises:
            TypeError: sample_ids are not integers.
            ValueError: An id is out of range or occurs twice.
            NotFoundError: The run does not exist any more.
            ResourceExhaustedError: The server's disk is full.
            DataInfError: Other errors.

        Example:
            >>> with run.writer() as writer:
            ...     writer.add([1, 2], np.ones((2, run.dimension), np.float32))
            >>> deletion = run.delete_samples([1, 99])
            >>> deletion.deleted_count, deletion.absent_count
            (1, 1)
        """
        ids = sample_id_list("sample_ids", sample_ids)
        deleted = absent = revision = 0
        for start in range(0, len(ids), _MOST_DELETIONS):
            response = self._connection.call(
                self._connection.ingest_unary.DeleteSamples,
                ingest_service_pb2.DeleteSamplesRequest(
                    run_id=self.run_id, sample_ids=ids[start : start + _MOST_DELETIONS]
                ),
                self._connection.options.timeout_seconds,
            )
            deleted += response.deleted_count
            absent += response.absent_count
            revision = response.revision
        return Deletion(deleted_count=deleted, absent_count=absent, revision=revision)

    def query(
        self,
        gradient: GradientsLike | None = None,
        *,
        sample_ids: npt.ArrayLike | None = None,
        method: Method = "datainf",
        aggregation: Aggregation = "each",
        damping_scale: float | None = None,
        damping_scales: Sequence[float] | None = None,
        damping: float | Sequence[float] | npt.ArrayLike | None = None,
        lissa_iterations: int | None = None,
        lissa_alpha: float | None = None,
        exact_tolerance: float | None = None,
        top_k: int | None = None,
        ranking: Ranking = "most_harmful",
        ids: npt.ArrayLike | None = None,
        per_block: bool = False,
        normalization: Normalization = "raw",
        min_revision: int = 0,
        reproducible: bool = False,
        on_progress: Callable[[float], None] | None = None,
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
            method: How the inverse Hessian-vector product is computed. `"datainf"`: as above.
                `"hessian_free"`: h = v. `"lissa"`: an iteration, which converges if 0 < alpha < 2 /
                (|G| + lambda); see `QueryResult.solver`. `"lissa_reference"`: the same with the
                sign of lambda as in the authors' code, for parity only. `"exact"`: solved; can take
                long.
            aggregation: `"each"`: one row of scores per validation point. `"mean"`: one row, for
                the mean of their gradients.
            damping_scale: c instead of the run's.
            damping_scales: Several c, answered together at little more than the cost of one: see
                `QueryResult.by_damping`.
            damping: Fixed lambda, one value or one a block [L], instead of one from the statistics.
            lissa_iterations: Iterations of the LiSSA methods, 1 to 10,000; 10 by default.
            lissa_alpha: Their step; 1 by default.
            exact_tolerance: Relative residual at which an iterative solver of `"exact"` may stop;
                1e-6 by default.
            top_k: Return this many samples, those that rank first. None: all.
            ranking: What ranks first with `top_k`: `"most_harmful"` (greatest score),
                `"most_helpful"` (least) or `"absolute"`. Ties go to the smaller sample id.
            ids: Return these samples, in this order.
            per_block: Also return each block's term; not with `top_k`.
            normalization: `"raw"`; `"cosine"`: score / (|h| |g_k|); `"relatif"`: score /
                sqrt(-self-influence), which needs `self_influence` of all samples at the same
                revision and damping first.
            min_revision: Answer only from this revision or a later one, e.g. `Writer.flush()`'s.
            reproducible: Bit-identical for any load and thread count; the query runs alone.
            on_progress: Called with the share of the work done, 0 to 1, by methods that take long.
            timeout: Most seconds; None: `ClientOptions.query_timeout_seconds`.

        Returns:
            Ids and scores, [m, k], with the snapshot they were computed from.

        Raises:
            TypeError: A dtype is wrong.
            ValueError: A value is out of range, or two exclude each other.
            InvalidArgumentError: The gradient holds NaN or infinity; a sample id is not in the run.
            NotFoundError: The run was deleted.
            FailedPreconditionError: The run holds no samples, or is not at `min_revision` yet, or
                lacks the self-influences that `"relatif"` needs.
            ResourceExhaustedError: Too many queries wait, or the query or its answer is too large,
                or the exact solution needs more memory than the server allows.
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
            block_names=self._block_names(),
            gradient=gradient,
            sample_ids=sample_ids,
            method=method,
            aggregation=aggregation,
            damping_scale=damping_scale,
            damping_scales=damping_scales,
            damping=damping,
            lissa_iterations=lissa_iterations,
            lissa_alpha=lissa_alpha,
            exact_tolerance=exact_tolerance,
            top_k=top_k,
            ranking=ranking,
            ids=ids,
            per_block=per_block,
            normalization=normalization,
            min_revision=min_revision,
            reproducible=reproducible,
        )
        seconds = self._connection.options.query_timeout_seconds if timeout is None else timeout
        return _query.ask(self._connection, query, seconds, on_progress)

    def self_influence(
        self,
        sample_ids: npt.ArrayLike | None = None,
        *,
        damping_scale: float | None = None,
        damping: float | Sequence[float] | npt.ArrayLike | None = None,
        min_revision: int = 0,
        on_progress: Callable[[float], None] | None = None,
        timeout: float | None = None,
    ) -> SelfInfluence:
        """Returns how much samples influence their own loss: the score of g_k as validation point.

        Of all samples this is n times the work of a query: see `self_influence_cost` first. The
        server keeps the result of all samples for as long as the run stays at its revision: a
        second call answers from it, and `normalization="relatif"` needs it. An interrupt stops the
        work.

        Args:
            sample_ids: These samples, in this order; None: all, in the order stored.
            damping_scale: c instead of the run's.
            damping: Fixed lambda, one value or one a block [L], instead of one from the statistics.
            min_revision: Compute only at this revision or a later one.
            on_progress: Called with the share of the work done, 0 to 1.
            timeout: Most seconds; None: no limit.

        Raises:
            ValueError: A value is out of range, or two exclude each other.
            InvalidArgumentError: A sample id is not in the run.
            FailedPreconditionError: The run holds no samples, or is not at `min_revision` yet.
            ResourceExhaustedError: Too many jobs wait.
            DataInfError: Other errors.

        Example:
            >>> own = run.self_influence([10])
            >>> own.ids.tolist(), bool(own.values[0] <= 0)
            ([10], True)
        """
        request = _analysis.self_influence_request(
            self.run_id, sample_ids, damping_scale, damping, min_revision
        )
        return _analysis.compute_self_influence(
            self._connection, request, self._block_names(), on_progress, timeout
        )

    def self_influence_cost(
        self,
        sample_ids: npt.ArrayLike | None = None,
        *,
        damping_scale: float | None = None,
        damping: float | Sequence[float] | npt.ArrayLike | None = None,
    ) -> JobEstimate:
        """Returns what `self_influence` would cost, without computing it. Arguments as there.

        Example:
            >>> run.self_influence_cost().multiplications > 0
            True
        """
        request = _analysis.self_influence_request(
            self.run_id, sample_ids, damping_scale, damping, 0
        )
        return _analysis.estimate_self_influence(self._connection, request)

    def compare_methods(
        self,
        gradient: GradientsLike | None = None,
        *,
        sample_ids: npt.ArrayLike | None = None,
        methods: Sequence[Method] = ("datainf", "hessian_free", "lissa"),
        damping_scale: float | None = None,
        damping: float | Sequence[float] | npt.ArrayLike | None = None,
        lissa_iterations: int | None = None,
        lissa_alpha: float | None = None,
        exact_tolerance: float | None = None,
        min_revision: int = 0,
        on_progress: Callable[[float], None] | None = None,
        timeout: float | None = None,
    ) -> MethodComparison:
        """Returns how well methods agree with the exact solution on some validation points.

        This is the paper's analysis of approximation errors. An interrupt stops the work.

        Args:
            gradient: Gradient of the loss of each validation point, [m, D] or [D], as for `query`.
            sample_ids: Instead of `gradient`: stored samples in the place of validation points,
                [m].
            methods: What to compare with `"exact"`.
            damping_scale: c instead of the run's.
            damping: Fixed lambda, one value or one a block [L], instead of one from the statistics.
            lissa_iterations: Iterations of the LiSSA methods; 10 by default.
            lissa_alpha: Their step; 1 by default.
            exact_tolerance: Relative residual at which an iterative solver may stop; 1e-6 by
                default.
            min_revision: Compare only at this revision or a later one.
            on_progress: Called with the share of the work done, 0 to 1.
            timeout: Most seconds; None: no limit.

        Raises:
            ValueError: A value is out of range, or two exclude each other.
            InvalidArgumentError: The gradient holds NaN or infinity; a sample id is not in the run.
            FailedPreconditionError: The run holds no samples, or is not at `min_revision` yet.
            ResourceExhaustedError: Too many jobs wait, or the exact solution needs more memory than
                the server allows.
            DataInfError: Other errors.

        Example:
            >>> comparison = run.compare_methods(sample_ids=[10], methods=["datainf"])
            >>> [(each.method, each.relative_error.shape) for each in comparison.methods]
            [('datainf', (1,))]
        """
        requests = _analysis.comparison_requests(
            run_id=self.run_id,
            dimension=self.dimension,
            gradient=gradient,
            sample_ids=sample_ids,
            methods=methods,
            damping_scale=damping_scale,
            damping=damping,
            lissa_iterations=lissa_iterations,
            lissa_alpha=lissa_alpha,
            exact_tolerance=exact_tolerance,
            min_revision=min_revision,
            message_bytes=self._connection.capabilities().max_message_bytes,
        )
        return _analysis.compare_methods(
            self._connection, requests, self._block_names(), on_progress, timeout
        )

    def squared_norms(self, *, per_block: bool = False, min_revision: int = 0) -> SquaredNorms:
        """Returns |g_k|^2 of each sample: the cheapest baseline, for it reads no gradient.

        Args:
            per_block: Also return those of each block.
            min_revision: Answer only from this revision or a later one.

        Raises:
            FailedPreconditionError: The run is not at `min_revision` yet.
            DataInfError: Other errors.

        Example:
            >>> norms = run.squared_norms()
            >>> norms.ids.shape == norms.values.shape
            True
        """
        return _analysis.squared_norms(
            self._connection, self.run_id, per_block, min_revision, len(self.blocks)
        )

    def read_samples(
        self,
        sample_ids: npt.ArrayLike | None = None,
        *,
        revision: int = 0,
        min_revision: int = 0,
        timeout: float | None = None,
    ) -> SampleStream:
        """Streams stored samples back; memory holds a few MiB of them at a time.

        What comes is what `Writer.add` takes: written to a new run of the same definition, it gives
        the same statistics and scores. Use it in a `with` statement, so that leaving early ends the
        call. Waits until the stream begins.

        Args:
            sample_ids: These samples, in this order; None: all, in the order stored.
            revision: Read exactly this revision, e.g. that of a stream that broke off; 0: the
                newest.
            min_revision: Read this revision or a later one, e.g. `Writer.flush()`'s.
            timeout: Most seconds until the last sample; None: no limit.

        Raises:
            TypeError: sample_ids are not integers.
            NotFoundError: The run was deleted, or does not hold a sample; the message names the
                first 10.
            FailedPreconditionError: The run is not at the revision yet.
            DataInfError: Other errors; code OUT_OF_RANGE: the run has left `revision` behind.

        Example:
            >>> with run.read_samples([11]) as samples:
            ...     for chunk in samples:
            ...         print(chunk.ids.tolist(), chunk.gradients.dtype, chunk.gradients.shape)
            [11] float32 (1, 14)
        """
        return read_samples(
            self._connection,
            run_id=self.run_id,
            layout_hash=self.layout_hash,
            sample_ids=sample_ids,
            revision=revision,
            min_revision=min_revision,
            timeout_seconds=timeout,
        )

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
        return statistics_of(response)

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

    def _block_names(self) -> tuple[str, ...]:
        return tuple(block.name for block in self.blocks)
