"""Batches of any form: how many samples they hold, and one sample of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch

# Keys of batches whose rows hold several samples (transformers' DataCollatorWithFlattening).
_PACKED = ("cu_seq_lens_q", "cu_seq_lens_k", "seq_idx")

# Keys whose second axis is that of the attention mask, in models of transformers.
_SEQUENCES = ("input_ids", "inputs_embeds", "attention_mask", "token_type_ids", "position_ids")

_UNPACK = (
    "packed samples share a row, so that they have no gradients of their own: do not pack, but pad"
    " to one sample a row"
)


def batch_size(batch: Any) -> int:
    """Returns the length of a batch's tensors.

    Raises:
        ValueError: They have several, or there is none, or samples are packed.
    """
    if isinstance(batch, Mapping) and any(batch.get(key) is not None for key in _PACKED):
        raise ValueError(f"the batch has {[k for k in _PACKED if k in batch]}: {_UNPACK}")
    row = _row_of_several(batch)
    if row is not None:
        raise ValueError(f"position_ids begin anew within row {row} of the batch: {_UNPACK}")
    lengths = {len(tensor) for tensor in _tensors(batch) if tensor.dim()}
    if len(lengths) != 1:
        raise ValueError(
            f"the batch, a {type(batch).__name__}, has tensors of lengths {sorted(lengths)},"
            " expected one length, that of the batch: pass only what has one entry a sample"
        )
    return lengths.pop()


def require_size(batch: Any, ids: list[int]) -> int:
    """Returns the length of a batch, which must be that of its ids.

    Raises:
        ValueError: It is another.
    """
    size = batch_size(batch)
    if size != len(ids):
        hint = f"; {_UNPACK}" if size < len(ids) else ""
        raise ValueError(f"{len(ids)} ids for a batch of {size} samples, expected as many{hint}")
    return size


def one_sample(batch: Any, index: int, size: int) -> Any:
    """Returns the batch with one of its `size` samples only; what is no tensor stays."""
    if isinstance(batch, torch.Tensor):
        return batch[index : index + 1] if batch.dim() and len(batch) == size else batch
    if isinstance(batch, Mapping):
        parts = {key: one_sample(value, index, size) for key, value in batch.items()}
        return parts if isinstance(batch, dict) else type(batch)(parts)  # type: ignore[call-arg]
    if isinstance(batch, (tuple, list)):
        items = [one_sample(value, index, size) for value in batch]
        return type(batch)(*items) if hasattr(batch, "_fields") else type(batch)(items)
    return batch


def left_padding(batch: Any) -> torch.Tensor | None:
    """Returns how many tokens of padding each sample has on its left, [B]; None without a mask."""
    mask = batch.get("attention_mask") if isinstance(batch, Mapping) else None
    if not isinstance(mask, torch.Tensor) or mask.dim() != 2:
        return None
    return (mask != 0).cumsum(dim=1).eq(0).sum(dim=1).cpu()


def without_left_padding(sample: Any, count: int, *, labels: bool) -> dict[str, Any]:
    """Returns one sample without its first `count` tokens.

    Args:
        sample: A batch of one, with an attention mask.
        count: Tokens.
        labels: Whether labels of that length are of the same tokens.
    """
    length = sample["attention_mask"].shape[1]
    keys = (*_SEQUENCES, "labels") if labels else _SEQUENCES
    return {
        key: value[:, count:]
        if key in keys
        and isinstance(value, torch.Tensor)
        and value.dim() > 1
        and value.shape[1] == length
        else value
        for key, value in sample.items()
    }


def _row_of_several(batch: Any) -> int | None:
    """Returns a row whose positions count from 0 more than once, as those of packed samples do."""
    positions = batch.get("position_ids") if isinstance(batch, Mapping) else None
    if not isinstance(positions, torch.Tensor) or positions.dim() != 2:
        return None
    begins = ((positions[:, :-1] == 0) & (positions[:, 1:] == 1)).sum(dim=1)
    rows: list[int] = torch.nonzero(begins > 1).flatten().tolist()
    return rows[0] if rows else None


def _tensors(batch: Any) -> Iterator[torch.Tensor]:
    if isinstance(batch, torch.Tensor):
        yield batch
    elif isinstance(batch, Mapping):
        for value in batch.values():
            yield from _tensors(value)
    elif isinstance(batch, (tuple, list)):
        for value in batch:
            yield from _tensors(value)
