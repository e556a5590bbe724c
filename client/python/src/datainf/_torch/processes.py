"""What the processes of one training tell each other."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any, TypeVar

import torch
from accelerate.utils import broadcast_object_list, gather_object
from torch import nn

_Answer = TypeVar("_Answer")


def from_main(accelerator: Any, ask: Callable[[], _Answer]) -> _Answer:
    """Returns, in every process, what `ask` returns in the main one.

    Raises:
        RuntimeError: It raised in the main process, which raises its error itself.
    """
    answer: list[Any] = [None, None]
    failure: Exception | None = None
    if accelerator.is_main_process:
        try:
            answer[0] = ask()
        except Exception as error:  # told to the others, which would wait otherwise
            failure = error
            answer[1] = f"{type(error).__name__}: {error}"
    broadcast_object_list(answer)
    if failure is not None:
        raise failure
    if answer[1] is not None:
        raise RuntimeError(f"the main process failed: {answer[1]}")
    found: _Answer = answer[0]
    return found


def greatest(number: int) -> int:
    """Returns the greatest of all processes' numbers, once all have come here."""
    return max(gather_object([number]))


def weights_tag(model: nn.Module) -> str:
    """Returns a digest of the weights that are trained: the tag of gradients taken at them."""
    digest = hashlib.sha256()
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            digest.update(name.encode())
            content = parameter.detach().cpu().contiguous().flatten()
            digest.update(content.view(torch.uint8).numpy().tobytes())
    return f"weights-{digest.hexdigest()[:16]}"
