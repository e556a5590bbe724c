"""The checks of captured gradients: that of one sample is computed again alone.

It finds a loss that was averaged over the batch unnoticed, modules that hooks do not see, samples
that influence each other, and losses that depend on more than the batch. A sample padded on the
left is computed once more without its padding. A loss of the trainer's own is computed again with
the same dropout: no mask of one sample alone is that of the batch, but all of the batch can have
the same again.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import nn

from datainf._capturing import CaptureError
from datainf._torch.batches import left_padding
from datainf._torch.scaling import candidates, token_counts
from datainf._torch.targets import Target

# Relative to the norm. Wrong factors and missing modules are off by far more; batched products of
# single precision by less, and those of half precision round each to 3 digits or fewer.
_TOLERANCE = 1e-3
_HALF_TOLERANCE = 0.1
_HALF_FACTOR_TOLERANCE = 0.02
_LOSS_TOLERANCE = 0.01

_LOSS_REMEDY = (
    "give the loss before it is divided or scaled, and pass capture(..., loss=...) if yours is not"
    " model(**batch).loss"
)


def run_backward(loss: torch.Tensor, targets: Sequence[Target]) -> list[torch.Tensor | None]:
    """Runs the backward pass down to the targets' weights, and returns their summed gradients.

    Leaves every `.grad` as it was, and runs none of the hooks that average gradients over
    processes or step an optimiser.

    Raises:
        ValueError: The loss has no graph.
    """
    if not loss.requires_grad:
        raise ValueError(
            "the loss does not depend on parameters that require grad: call the model within"
            " `loss`, without torch.no_grad()"
        )
    return list(torch.autograd.grad(loss.sum(), [t.weight for t in targets], allow_unused=True))


def gradient_alone(
    loss: Callable[[Any, Any], torch.Tensor],
    module: nn.Module,
    targets: Sequence[Target],
    sample: Any,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Returns loss and gradient, float32, [D], of a batch of one, by autograd without hooks."""
    value = loss(module, sample)
    gradients = run_backward(value, targets)
    device = value.device
    parts = [
        torch.zeros(target.block.dimension, device=device)
        if gradient is None
        else (gradient.T if target.transposed else gradient).float().flatten().to(device)
        for gradient, target in zip(gradients, targets, strict=True)
    ]
    return value.detach(), torch.cat(parts)


def telling_sample(rows: torch.Tensor, batch: Any, factors: torch.Tensor) -> int:
    """Returns the sample that shows a wrong reduction best.

    That is the one whose share of the tokens is farthest from the mean; without tokens the one with
    the longest gradient.
    """
    counts = token_counts(batch, shifted=False)
    if counts is not None and counts.float().std(correction=0) > 0:
        return int((counts - counts.float().mean()).abs().argmax())
    return int((rows.norm(dim=1).cpu() / factors).argmax())


def is_conclusive(batch: Any, size: int) -> bool:
    """Returns whether a wrong reduction would show in this batch: several samples, unequal ones."""
    counts = token_counts(batch, shifted=False)
    return size > 1 and (counts is None or bool((counts != counts[0]).any()))


def compare(
    row: torch.Tensor,
    alone: torch.Tensor,
    targets: Sequence[Target],
    *,
    half: bool,
    described: Callable[[float], str],
) -> None:
    """Compares a captured gradient with that of the sample alone, both [D].

    Raises:
        CaptureError: They differ; the message has the measured factor, and what to do.
    """
    row, alone = row.double().to(alone.device), alone.double()
    norm = alone.norm()
    if float(norm) == 0 and float(row.norm()) == 0:
        return
    error = float((row - alone).norm() / norm)
    factor = float(row @ alone / (norm * norm))
    if error <= (_HALF_TOLERANCE if half else _TOLERANCE) and (
        not half or abs(factor - 1) <= _HALF_FACTOR_TOLERANCE
    ):
        return
    cosine = float(row @ alone / (row.norm() * norm))
    if cosine > (1 - _HALF_TOLERANCE if half else 1 - _TOLERANCE):
        raise CaptureError(described(factor))
    worst = _worst_block(row, alone, targets)
    raise CaptureError(
        f"the captured gradient of a sample is not the one it has alone (cosine {cosine:.3f}; most"
        f" in {worst}). Samples that influence each other, losses that draw random numbers, and"
        " weights used without calling their module cannot be captured: make the loss a function of"
        " each sample alone, with noise that is part of the batch, or leave that module out"
    )


def most_padded(batch: Any) -> tuple[int, int]:
    """Returns the sample with the most padding on its left, and the tokens of that; 0 if none."""
    counts = left_padding(batch)
    if counts is None or not len(counts):
        return 0, 0
    index = int(counts.argmax())
    return index, int(counts[index])


def compare_padding(
    row: torch.Tensor, alone: torch.Tensor, index: int, count: int, *, half: bool
) -> None:
    """Compares a captured gradient with that of the sample without its padding, both [D].

    Raises:
        CaptureError: They differ; the message says what to do.
    """
    row, alone = row.double().to(alone.device), alone.double()
    error, norm = float((row - alone).norm()), float(alone.norm())
    if not error <= (_HALF_TOLERANCE if half else _TOLERANCE) * norm:
        raise CaptureError(
            f"sample {index} of the batch, padded by {count} tokens on the left, has another"
            f" gradient without them (by {error / norm if norm else error:.2g} of its norm): pass"
            " position_ids that begin with 0 at each sample's first token, and label that token"
            " -100, as only padding could predict it; or pad on the right"
        )


def factor_message(
    batch: Any, size: int, index: int, assumed: float, reduction: str
) -> Callable[[float], str]:
    """Returns what to say of a measured factor: which reduction would undo it."""

    def describe(factor: float) -> str:
        actual = factor * assumed
        likely = [
            f"reduction={name!r}"
            for name, each in candidates(batch, size).items()
            if abs(float(each[index]) / actual - 1) < _HALF_FACTOR_TOLERANCE
        ]
        remedy = " or ".join(likely) or "a loss of one value a sample, shape [B]"
        return (
            f"the captured gradient of sample {index} of {size} is {factor:.6g} times the one it"
            f" has alone, with reduction={reduction!r}: the loss of the batch is made of those of"
            f" its samples in another way; expected is {remedy}"
        )

    return describe


def _worst_block(row: torch.Tensor, alone: torch.Tensor, targets: Sequence[Target]) -> str:
    sizes = [target.block.dimension for target in targets]
    errors = [float(part.norm()) for part in (row - alone).split(sizes)]
    return targets[errors.index(max(errors))].block.name


@contextlib.contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """Puts all modules into evaluation mode, and back."""
    training = [each for each in module.modules() if each.training]
    for each in training:
        each.training = False
    try:
        yield
    finally:
        for each in training:
            each.training = True


def compare_losses(given: torch.Tensor, expected: torch.Tensor) -> None:
    """Compares the loss given to `watch` with that of the capture's own loss, computed again.

    Dropout is the same in both, so that only rounding may tell them apart.

    Raises:
        CaptureError: They differ; the message has the measured factor, and what to do.
    """
    given, expected = given.double().flatten(), expected.double().flatten()
    if given.shape != expected.shape:  # a sum of losses of samples, or it is found wrong here
        given, expected = given.sum(), expected.sum()
    error = float((given - expected).norm())
    norm = float(expected.norm())
    if not error <= _LOSS_TOLERANCE * norm:
        factor = float((given * expected).sum()) / norm**2 if norm else float("inf")
        raise CaptureError(
            f"the loss given is {factor:.6g} times that of capture's `loss` for the same batch and"
            f" dropout (norms {float(given.norm()):.6g} and {norm:.6g}): {_LOSS_REMEDY}"
        )
