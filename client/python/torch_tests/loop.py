"""The batch-of-one loop by autograd: what captured gradients are compared with."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import nn

import datainf

# Of each case, for the end of the report.
FIGURES: list[tuple[str, float]] = []

# Of float32, worst block of any sample. Issue 7's bar.
TOLERANCE = 1e-5


def loss_of(model: Any, batch: Any) -> torch.Tensor:
    loss: torch.Tensor = model(**batch).loss
    return loss


def gradients_alone(
    model: nn.Module,
    blocks: Sequence[datainf.Block],
    samples: Iterable[Any],
    loss: Callable[[Any, Any], torch.Tensor] = loss_of,
) -> torch.Tensor:
    """Returns the gradient of each sample alone, [n, D], one forward and backward pass each."""
    parameters = {
        _without_adapter(name): p for name, p in model.named_parameters() if p.requires_grad
    }
    rows = []
    for sample in samples:
        model.zero_grad()
        loss(model, sample).backward()
        rows.append(torch.cat([_block(parameters[b.name], b) for b in blocks]))
    model.zero_grad()
    return torch.stack(rows)


def worst_error(
    actual: torch.Tensor, expected: torch.Tensor, blocks: Sequence[datainf.Block]
) -> float:
    """Returns |actual - expected| / |expected| of the worst block of any sample."""
    assert actual.shape == expected.shape
    assert actual.dtype == torch.float32
    sizes = [block.dimension for block in blocks]
    worst = 0.0
    for ours, theirs in zip(actual.split(sizes, 1), expected.split(sizes, 1), strict=True):
        error, norm = (ours - theirs).norm(dim=1), theirs.norm(dim=1)
        worst = max(worst, float(torch.where(norm > 0, error / norm.clamp_min(1e-30), error).max()))
    return worst


def require_equal(
    case: str,
    actual: torch.Tensor,
    expected: torch.Tensor,
    blocks: Sequence[datainf.Block],
    tolerance: float = TOLERANCE,
) -> None:
    """Keeps the error of a case for the report, and fails if it is above the tolerance."""
    error = worst_error(actual, expected, blocks)
    FIGURES.append((case, error))
    assert float(expected.norm()) > 0
    assert error <= tolerance


def _without_adapter(name: str) -> str:
    return re.sub(r"(lora_[AB])\.\w+\.", r"\1.", name).replace("modules_to_save.default.", "")


def _block(parameter: nn.Parameter, block: datainf.Block) -> torch.Tensor:
    if parameter.grad is None:
        return torch.zeros(block.dimension)
    gradient = parameter.grad.T if "lora_B" in block.name else parameter.grad
    assert gradient.shape == (block.rows, block.columns)
    return gradient.flatten().float()
