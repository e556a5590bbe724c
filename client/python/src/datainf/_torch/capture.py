"""Captures the gradient of each sample while a model runs over batches."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, NamedTuple

import numpy.typing as npt
import torch
from torch import nn

from datainf._block import Block
from datainf._capturing import Estimator, Reduction
from datainf._encoding import Dtype, sample_id_list
from datainf._options import WriterOptions
from datainf._run import Run
from datainf._torch import checking
from datainf._torch.batches import (
    batch_size,
    one_sample,
    require_size,
    without_left_padding,
)
from datainf._torch.replaying import Replay
from datainf._torch.scaling import infer_reduction, inner_factors
from datainf._torch.taps import Sink, Taps
from datainf._torch.targets import Target, unwrap
from datainf._torch.validation import (
    require_blocks,
    require_eval,
    require_known,
    require_no_batch_norm,
)
from datainf._torch.watching import Watch
from datainf._writer import Writer

_log = logging.getLogger("datainf")


class Capture:
    """Per-sample gradients of a model's LoRA matrices. Made by `datainf.capture`.

    A gradient is that of one sample's own loss, float32, before optimiser and clipping, blocks one
    after the other. Hooks are on the model only within the `with` block. Not thread-safe.

    Attributes:
        run: Where samples go; None if there is none.
        blocks: The blocks of each gradient, in order.
        dimension: D, elements of one gradient.
        repeated: Samples that were left out because their id had come before: a sampler repeats
            some to give each process as many.
    """

    def __init__(
        self,
        model: nn.Module,
        targets: Sequence[Target],
        *,
        run: Run | None,
        loss: Callable[[Any, Any], torch.Tensor] | None,
        reduction: Reduction | None,
        estimator: Estimator,
        options: WriterOptions | None,
    ) -> None:
        """Use `datainf.capture`."""
        require_known(reduction, estimator)
        self.blocks: list[Block] = [target.block for target in targets]
        self.dimension = sum(block.dimension for block in self.blocks)
        self.run = run
        self.repeated = 0
        if run is not None:
            require_blocks(run, self.blocks)
        self._module = unwrap(model)
        self._targets = targets
        self._loss = _loss_of_transformers if loss is None else loss
        self._reduction = reduction
        self._estimator = estimator
        self._options = options
        self._seen: set[int] = set()
        self._checked = self._checked_conclusively = self._checked_padding = False
        self._taps: Taps | None = None
        self._writer: Writer | None = None
        self._watch: Watch | None = None
        self._current: Sink | None = None  # of the trainer's passes
        self._is_called = False  # whether there was one
        self._replay: Replay | None = None  # of the last of them, while a check may come

    @property
    def writer(self) -> Writer:
        """The writer that streams to `run`, with its counts and rejected samples.

        Raises:
            RuntimeError: There is no run, or this is outside of the `with` block.
        """
        self._require_run()
        if self._writer is None:
            raise RuntimeError("not within `with datainf.capture(...)`")
        return self._writer

    def gradients(self, batch: Any) -> torch.Tensor:
        """Returns the gradient of the loss of each sample of a batch, e.g. to query with.

        Leaves the parameters' `.grad` as it was.

        Args:
            batch: What the loss takes: tensors in a mapping, tuple or list, all of length B.

        Returns:
            float32, shape [B, D], in the memory of the CPU.

        Raises:
            ValueError: The model is in train mode; the batch, or the shape of the loss, is wrong.
            CaptureError: A sample has another gradient alone; see `datainf.capture`.

        Example:
            >>> with datainf.capture(model) as cap:
            ...     cap.gradients(validation_batch).shape == (2, cap.dimension)
            True
        """
        taps = self._opened()
        require_eval(self._module)
        size = batch_size(batch)
        captured = self._captured(taps, batch, size)
        if self._check_is_due(batch, size):
            self._check(taps, batch, captured)
        if self._padding_check_is_due(batch):
            self._check_left_padding(taps, batch, captured)
        return (captured.rows / captured.factors[:, None].to(captured.rows)).cpu()

    def push(self, ids: npt.ArrayLike, batch: Any, steps: npt.ArrayLike | None = None) -> None:
        """Computes the gradients of a batch and hands them to the writer.

        An id that this object has seen before is left out and counted in `repeated`.

        Args:
            ids: Ids of the samples, integers from 0 to 2^64 - 1, shape [B].
            batch: As for `gradients`.
            steps: Training steps, kept with the samples; [B], or one integer for all.

        Raises:
            ValueError: As for `gradients`, or the ids are not as many as the samples.
            CaptureError: As for `gradients`.
            DataInfError: The writer has failed.
        """
        self._opened()
        if self._estimator != "final":
            raise RuntimeError(
                "push computes gradients at the present parameters: during training, call"
                " watch(ids, batch, loss) before your own backward pass"
            )
        self._require_run()
        named = sample_id_list("ids", _host(ids), repeatable=True)
        require_size(batch, named)
        if self._seen.issuperset(named):
            self.repeated += len(named)
        else:
            self._send(named, self.gradients(batch), steps)

    def watch(
        self,
        ids: npt.ArrayLike,
        batch: Any,
        loss: torch.Tensor,
        steps: npt.ArrayLike | None = None,
    ) -> None:
        """Takes the gradients of a batch from your own backward pass, which comes next.

        For `estimator="during_training"`. Whatever the loss is multiplied by from here to the
        backward pass is measured and divided out: accumulation, GradScaler, the number of
        processes. Samples are handed to the writer when the next forward pass begins.

        Args:
            ids: Ids of the samples, integers from 0 to 2^64 - 1, shape [B].
            batch: What the model was called with, as for `gradients`.
            loss: The loss that the model returned, before it is scaled: [B], or a scalar.
            steps: Training steps, kept with the samples; [B], or one integer for all.

        Raises:
            ValueError: As for `gradients`, or the ids are not as many as the samples.
            RuntimeError: The backward pass of the batch before has not run.
            CaptureError: As for `gradients`.

        Example:
            >>> with datainf.capture(model, run, estimator="during_training") as cap:
            ...     for ids, batch in loader:
            ...         loss = model(**batch).loss
            ...         cap.watch(ids, batch, loss)
            ...         loss.backward()
        """
        taps = self._opened()
        if self._estimator == "final":
            raise RuntimeError(
                "watch takes gradients from your own backward pass, for capture(...,"
                " estimator='during_training'): use that, or push(ids, batch)"
            )
        self._require_run()
        require_no_batch_norm(self._module)
        named = sample_id_list("ids", _host(ids), repeatable=True)
        size = require_size(batch, named)
        if self._current is None or not self._is_called or self._current.batch_size is not None:
            raise RuntimeError(
                "watch was called without a forward pass of the model before: within the `with`"
                " block, call the model, then watch(ids, batch, loss), then loss.backward()"
            )
        factors = inner_factors(loss, batch, size, self._reduction_of(batch, loss))
        self._check_watched(taps, batch, size, loss)
        self._current.batch_size = size
        self._watch = Watch(self._current, named, loss, factors, steps)

    def flush(self, timeout: float | None = None) -> int:
        """Waits until all samples are durable; returns a revision that includes them.

        Raises:
            DataInfError: The writer has failed, or the time ran out.
        """
        self._settle()
        return self.writer.flush(timeout)

    def __enter__(self) -> Capture:
        """Puts the hooks on the model."""
        self._taps = Taps(self._targets)
        if self.run is not None:
            self._writer = self.run.writer(dtype=_wire_dtype(self.run), options=self._options)
        if self._estimator != "final":
            self._taps.sink = self._current = Sink(self._targets)
            self._begin = self._module.register_forward_pre_hook(self._forward_begins)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Takes the hooks off, and waits until all samples are durable."""
        taps, self._taps = self._taps, None
        writer = self._writer
        try:
            if error is None:
                self._settle()
        finally:
            if taps is not None:
                taps.remove()
            if self._estimator != "final":
                self._begin.remove()
            if writer is not None:
                writer.__exit__(kind, error, traceback)
        if self.repeated:
            _log.warning(
                "%d samples came again and were left out: repeated by a sampler; a second epoch"
                " needs a run of its own",
                self.repeated,
            )

    def _opened(self) -> Taps:
        if self._taps is None:
            raise RuntimeError("not within `with datainf.capture(...)`")
        return self._taps

    def _require_run(self) -> None:
        if self.run is None:
            raise RuntimeError("capture(model) was given no run: pass one to send samples to it")

    def _captured(self, taps: Taps, batch: Any, size: int) -> _Captured:
        sink = Sink(self._targets, size, strict=True)
        with torch.enable_grad(), taps.into(sink):
            loss = self._loss(self._module, batch)
            factors = inner_factors(loss, batch, size, self._reduction_of(batch, loss))
            checking.run_backward(loss, self._targets)
        if not sink.touched:
            raise ValueError("the loss used none of the blocks' modules: call the model itself")
        return _Captured(sink.rows(), factors, sink.half)

    def _reduction_of(self, batch: Any, loss: torch.Tensor) -> Reduction:
        if self._reduction is not None:
            return self._reduction
        return "sum" if loss.dim() else infer_reduction(self._module, batch)

    def _check_is_due(self, batch: Any, size: int) -> bool:
        conclusive = checking.is_conclusive(batch, size)
        return not self._checked or (conclusive and not self._checked_conclusively)

    def _padding_check_is_due(self, batch: Any) -> bool:
        return not self._checked_padding and checking.most_padded(batch)[1] > 0

    def _check_watched(self, taps: Taps, batch: Any, size: int, loss: torch.Tensor) -> None:
        due, padding = self._check_is_due(batch, size), self._padding_check_is_due(batch)
        if due:
            self._check_value(taps, batch, loss)
        if due or padding:
            with checking.evaluating(self._module):
                captured = self._captured(taps, batch, size)
                if due:
                    self._check(taps, batch, captured)
                if padding:
                    self._check_left_padding(taps, batch, captured)

    def _check(self, taps: Taps, batch: Any, captured: _Captured) -> None:
        size = len(captured.rows)
        index = checking.telling_sample(captured.rows, batch, captured.factors)
        alone, reduction = self._gradient_alone(taps, one_sample(batch, index, size))
        assumed = float(captured.factors[index])
        checking.compare(
            captured.rows[index] / assumed,
            alone,
            self._targets,
            half=captured.half,
            described=checking.factor_message(batch, size, index, assumed, reduction),
        )
        self._checked = True
        self._checked_conclusively |= checking.is_conclusive(batch, size)

    def _check_left_padding(self, taps: Taps, batch: Any, captured: _Captured) -> None:
        index, count = checking.most_padded(batch)
        sample = one_sample(batch, index, len(captured.rows))
        seq2seq = getattr(getattr(self._module, "config", None), "is_encoder_decoder", False)
        trimmed = without_left_padding(sample, count, labels=not seq2seq)
        alone, _ = self._gradient_alone(taps, trimmed)
        row = captured.rows[index] / float(captured.factors[index])
        checking.compare_padding(row, alone, index, count, half=captured.half)
        self._checked_padding = True

    def _gradient_alone(self, taps: Taps, sample: Any) -> tuple[torch.Tensor, Reduction]:
        """Returns the gradient of a batch of one, [D], and how its loss was made."""
        with torch.enable_grad(), taps.into(None):
            value, alone = checking.gradient_alone(self._loss, self._module, self._targets, sample)
        reduction = self._reduction_of(sample, value)
        return alone / float(inner_factors(value, sample, 1, reduction)[0]), reduction

    def _check_value(self, taps: Taps, batch: Any, loss: torch.Tensor) -> None:
        replay, self._replay = self._replay, None
        assert replay is not None  # noqa: S101  # a check is due only after it was kept
        # With grad, which decides what kernels draw from their generators.
        with torch.enable_grad(), taps.into(None), replay.again():
            expected = self._loss(self._module, batch).detach()
        checking.compare_losses(loss.detach(), expected)

    def _forward_begins(self, *_: Any) -> None:
        taps = self._opened()
        # Not for the passes of our own, nor for those of an evaluation.
        if taps.sink is self._current and torch.is_grad_enabled():
            self._settle()
            self._is_called = True
            taps.sink = self._current = Sink(self._targets)
            self._replay = None if self._checked_conclusively else Replay(self._module)

    def _settle(self) -> None:
        """Hands what the last backward pass gave to the writer."""
        watch, self._watch = self._watch, None
        if watch is not None:
            self._send(watch.ids, watch.rows(), watch.steps)

    def _send(self, ids: list[int], rows: torch.Tensor, steps: npt.ArrayLike | None) -> None:
        new = [k for k, each in enumerate(ids) if each not in self._seen and each not in ids[:k]]
        self.repeated += len(ids) - len(new)
        self._seen.update(ids)
        if not new:
            return
        kept = [ids[k] for k in new]
        if steps is not None:
            steps = torch.as_tensor(_host(steps)).expand(len(ids))[new].numpy()
        self.writer.add(kept, rows if len(new) == len(ids) else rows[new], steps)


class _Captured(NamedTuple):
    """What a backward pass gave.

    Attributes:
        rows: Gradients of the batch's loss, float32, [B, D].
        factors: What they must be divided by, float64, [B].
        half: Whether any of the arithmetic was in half precision.
    """

    rows: torch.Tensor
    factors: torch.Tensor
    half: bool


def _wire_dtype(run: Run) -> Dtype:
    return "bf16" if run.stored_dtype == "bf16" else "f32"


def _loss_of_transformers(model: Any, batch: Any) -> torch.Tensor:
    loss = model(**batch).loss
    if not isinstance(loss, torch.Tensor):
        raise TypeError("model(**batch).loss is None, expected a tensor: has the batch labels?")
    return loss


def _host(values: Any) -> Any:
    return values.detach().cpu().numpy() if isinstance(values, torch.Tensor) else values
