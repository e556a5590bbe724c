"""Batches of any form: how many samples they hold, and one sample of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch

# Keys of batches whose rows hold several samples (transformers' DataCollatorWithFlattening).
_PACKED = ("cu_seq_lens_q", "cu_seq_lens_k", "seq_idx")

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
    lengths = {len(tensor) for tensor in _tensors(batch) if tensor.dim()}
    if len(lengths) != 1:
        raise ValueError(
            f"the batch, a {type(batch).__name__}, has tensors of lengths {sorted(lengths)},"
            " expected one length: that of the batch"
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


def _tensors(batch: Any) -> Iterator[torch.Tensor]:
    if isinstance(batch, torch.Tensor):
        yield batch
    elif isinstance(batch, Mapping):
        for value in batch.values():
            yield from _tensors(value)
    elif isinstance(batch, (tuple, list)):
        for value in batch:
            yield from _tensors(value)
