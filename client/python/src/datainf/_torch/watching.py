"""A batch whose backward pass the trainer runs."""

from __future__ import annotations

import numpy.typing as npt
import torch

from datainf._torch.taps import Sink


class Watch:
    """Waits for the backward pass of a loss, and learns from it what the loss was multiplied by."""

    def __init__(
        self,
        sink: Sink,
        ids: list[int],
        loss: torch.Tensor,
        factors: torch.Tensor,
        steps: npt.ArrayLike | None,
    ) -> None:
        """Puts a hook on the loss.

        Args:
            sink: What the taps of its forward pass hand over to.
            ids: Of the samples, [B].
            loss: One a sample, [B], or a scalar.
            factors: What the gradients are scaled by within the loss, [B].
            steps: Training steps, [B], or one.

        Raises:
            ValueError: The loss has no graph.
        """
        if not loss.requires_grad:
            raise ValueError(
                "the loss does not require grad: compute it without torch.no_grad(), and do not"
                " detach it"
            )
        self.ids = ids
        self.steps = steps
        self._sink = sink
        self._factors = factors
        self._scale: torch.Tensor | None = None
        loss.register_hook(self._backward_begins)

    def rows(self) -> torch.Tensor:
        """Returns the gradient of each sample's own loss, float32, [B, D], on the CPU.

        Raises:
            RuntimeError: The backward pass has not run.
            ValueError: A sample's loss was multiplied by 0.
        """
        if self._scale is None:
            raise RuntimeError(
                f"the backward pass of the loss watched for ids {self.ids[:3]}... has not run: call"
                " watch(ids, batch, loss), then loss.backward(), for each forward pass"
            )
        scale = self._factors * self._scale.double().cpu()
        zeros = torch.nonzero(scale == 0).flatten().tolist()
        if zeros:
            raise ValueError(
                f"the losses at positions {zeros} of the batch were multiplied by 0, so they have"
                " no gradient: leave these samples out of watch"
            )
        rows = self._sink.rows()
        return (rows / scale[:, None].to(rows)).cpu()

    def _backward_begins(self, gradient: torch.Tensor) -> None:
        self._scale = gradient.detach()
