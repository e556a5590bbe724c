"""Hooks that turn one backward pass of a batch into gradients of its samples.

Of y[i, s] = W x[i, s], sample i's gradient of W is sum_s dy[i, s] x[i, s]^T, so a linear module's
input and the gradient of its output are all it takes: one batched product a module. The input is
saved by autograd itself, in a node behind the module, and not by us: gradient checkpointing then
drops and recomputes it like any other activation.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import nn
from torch.autograd.function import once_differentiable

from datainf._torch.targets import Target

# In its first pass, reentrant checkpointing hides modules from autograd.grad.
_NO_GRAD = (
    "the module of {name} was called without grad: by torch.no_grad(), which must be left out, or"
    " by gradient checkpointing with use_reentrant=True, which works only while training: use"
    " gradient_checkpointing_enable(gradient_checkpointing_kwargs={{'use_reentrant': False}})"
)


class Sink:
    """Collects the gradients of one batch.

    Attributes:
        batch_size: Samples, B; must be set before the backward pass.
        strict: Whether modules must be called with grad enabled.
        touched: Whether any block's module was used.
        half: Whether any of them computed in half precision.
    """

    def __init__(
        self, targets: Sequence[Target], batch_size: int | None = None, *, strict: bool = False
    ) -> None:
        self.batch_size = batch_size
        self.strict = strict
        self.touched = False
        self.half = False
        self._targets = targets
        self._parts: list[torch.Tensor | None] = [None] * len(targets)

    def add(self, index: int, x: torch.Tensor, dy: torch.Tensor) -> None:
        """Adds one use of a module: a module that is used twice has the sum of both.

        Args:
            index: Of the target.
            x: Input, [B, ..., in].
            dy: Gradient of the output, [B, ..., out].
        """
        target = self._targets[index]
        size = self._require_size()
        if x.dim() < 2 or len(x) % size or (len(x) == 1 < size):
            raise ValueError(
                f"the module of {target.block.name} was given an input of shape {list(x.shape)},"
                f" expected [{size}, ...], one entry a sample: such a module cannot be captured, so"
                " leave it out of the adapter, or use batches of one sample"
            )
        # Products of half-precision values are summed in single precision.
        with torch.autocast(dy.device.type, enabled=False):
            rows = x.detach().reshape(size, -1, x.shape[-1]).float()
            slopes = dy.reshape(size, -1, dy.shape[-1]).float()
            left, right = (rows, slopes) if target.transposed else (slopes, rows)
            gradient = torch.bmm(left.mT, right)
        before = self._parts[index]
        self._parts[index] = gradient if before is None else before.add_(gradient)
        self.touched = True
        self.half |= bool({x.dtype, dy.dtype} & {torch.float16, torch.bfloat16})

    def rows(self) -> torch.Tensor:
        """Returns the gradients, float32, [B, D]; a block that was not used has zeros."""
        size = self._require_size()
        device = next((part.device for part in self._parts if part is not None), None)
        parts = [
            torch.zeros(size, target.block.dimension, device=device)
            if part is None
            else part.reshape(size, -1).to(device)
            for part, target in zip(self._parts, self._targets, strict=True)
        ]
        self._parts = [None] * len(parts)
        return torch.cat(parts, dim=1)

    def _require_size(self) -> int:
        if self.batch_size is None:
            raise RuntimeError(
                "a backward pass ran without watch(ids, batch, loss) before it: call watch for each"
                " forward pass, or do what is not to be captured outside of the `with` block"
            )
        return self.batch_size


class _Tap(torch.autograd.Function):
    """The identity on a module's output, whose backward pass hands x and dy to the sink."""

    @staticmethod
    def forward(
        ctx: Any, output: torch.Tensor, x: torch.Tensor, sink: Sink, index: int
    ) -> torch.Tensor:
        ctx.save_for_backward(x)
        ctx.sink = sink
        ctx.index = index
        # Not a view for autograd, so that the model may go on in place (ReLU(inplace=True)).
        return output.data

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dy: torch.Tensor) -> tuple[torch.Tensor, None, None, None]:
        (x,) = ctx.saved_tensors
        ctx.sink.add(ctx.index, x, dy)
        return dy, None, None, None


class Taps:
    """The hooks on all modules of the targets. Without a sink they do nothing."""

    def __init__(self, targets: Sequence[Target]) -> None:
        self.sink: Sink | None = None
        self._handles = [
            module.register_forward_hook(self._hook(index, target.block.name))
            for index, target in enumerate(targets)
            for module in target.modules
        ]

    @contextlib.contextmanager
    def into(self, sink: Sink | None) -> Iterator[None]:
        """Lets the passes inside hand over to `sink`."""
        before, self.sink = self.sink, sink
        try:
            yield
        finally:
            self.sink = before

    def remove(self) -> None:
        """Takes the hooks off the model."""
        for handle in self._handles:
            handle.remove()

    def _hook(self, index: int, name: str) -> Any:
        def hook(_module: nn.Module, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> Any:
            if self.sink is None:
                return None
            if not torch.is_grad_enabled():
                if self.sink.strict:
                    raise ValueError(_NO_GRAD.format(name=name))
                return None
            return _Tap.apply(output, inputs[0], self.sink, index)

        return hook
