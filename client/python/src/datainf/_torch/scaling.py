"""What the gradient of a batch's loss must be divided by, to be that of each sample's own loss.

The loss of a batch is L = sum_i c_i l_i, l_i the loss that sample i has alone. Backward passes give
c_i times the gradient of l_i. With N tokens in the batch and n_i of sample i:

    one loss a sample, "sum"                     c_i = 1
    "mean"                                       c_i = 1 / B
    "token_mean", "causal_token_mean"            c_i = n_i / N
    a sum over tokens / num_items_in_batch       c_i = n_i / num_items_in_batch

What the loss is multiplied by after the model (accumulation, GradScaler, the number of processes)
is not here: it is measured as the gradient of L itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from datainf._capturing import Reduction

_IGNORED = -100  # label of a token without loss, as in transformers and torch's cross_entropy

_TOKENS: dict[str, bool] = {"token_mean": False, "causal_token_mean": True}

# transformers' names of losses that compare each token with the next label.
_CAUSAL = ("ForCausalLM", "ForConditionalGeneration")


def infer_reduction(model: Any, batch: Any) -> Reduction:
    """Returns how a model of transformers reduces its loss, by the shape of `batch["labels"]`.

    Raises:
        ValueError: The batch has no labels.
    """
    labels = _labels(batch)
    if labels is None:
        raise ValueError(
            "the loss is a scalar, and the batch has no labels to tell how it was reduced: return"
            " one loss a sample, shape [B], or pass reduction='mean' or another"
        )
    if labels.is_floating_point() or labels.dim() < 2:
        return "mean"
    seq2seq = getattr(getattr(model, "config", None), "is_encoder_decoder", False)
    causal = getattr(model, "loss_type", None) in _CAUSAL and not seq2seq
    return "causal_token_mean" if causal else "token_mean"


def inner_factors(loss: torch.Tensor, batch: Any, size: int, reduction: Reduction) -> torch.Tensor:
    """Returns c of each sample, float64, [B], on the CPU.

    Args:
        loss: One a sample, [B], or a scalar.
        batch: What it is of.
        size: B.
        reduction: How a scalar was made.

    Raises:
        ValueError: The loss has another shape; a sample has no tokens.
    """
    ones = torch.ones(size, dtype=torch.float64)
    if loss.dim() and loss.shape == (size,):
        return ones
    if loss.numel() != 1:
        raise ValueError(
            f"the loss has shape {list(loss.shape)}, expected [{size}], one loss a sample, or a"
            " scalar: take the mean of each sample's own losses first"
        )
    if reduction in _TOKENS:
        return _token_factors(batch, shifted=_TOKENS[reduction])
    return ones / size if reduction == "mean" else ones


def token_counts(batch: Any, *, shifted: bool) -> torch.Tensor | None:
    """Returns each sample's tokens that have a loss, [B]; None if labels are not of tokens."""
    labels = _labels(batch)
    if labels is None or labels.dim() < 2 or labels.is_floating_point():
        return None
    labels = labels[:, 1:] if shifted else labels
    return (labels.flatten(1) != _IGNORED).sum(dim=1).cpu()


def candidates(batch: Any, size: int) -> dict[str, torch.Tensor]:
    """Returns c of each sample, [B], for every reduction that the batch allows."""
    ones = torch.ones(size, dtype=torch.float64)
    found = {"mean": ones / size, "sum": ones}
    for name, shifted in _TOKENS.items():
        counts = token_counts(batch, shifted=shifted)
        if counts is not None and bool((counts > 0).all()):
            found[name] = counts.double() / counts.sum()
    return found


def _token_factors(batch: Any, *, shifted: bool) -> torch.Tensor:
    counts = token_counts(batch, shifted=shifted)
    if counts is None:
        raise ValueError("a mean over tokens needs batch['labels'], integers of shape [B, T]")
    empty = torch.nonzero(counts == 0).flatten().tolist()
    if empty:
        raise ValueError(
            f"the samples at positions {empty} of the batch have no token with a label, so they"
            " have no loss: leave them out"
        )
    total = batch.get("num_items_in_batch")
    return counts.double() / float(counts.sum() if total is None else total)


def _labels(batch: Any) -> torch.Tensor | None:
    labels = batch.get("labels") if isinstance(batch, Mapping) else None
    return labels if isinstance(labels, torch.Tensor) else None
