"""What is refused before anything is computed, each with what to do instead."""

from __future__ import annotations

from collections.abc import Sequence
from typing import get_args

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from datainf._block import Block
from datainf._capturing import Estimator, Reduction
from datainf._run import Run


def require_known(reduction: Reduction | None, estimator: Estimator) -> None:
    """Checks options.

    Raises:
        ValueError: One is unknown.
    """
    for name, value, known in (
        ("reduction", reduction, (None, *get_args(Reduction))),
        ("estimator", estimator, get_args(Estimator)),
    ):
        if value not in known:
            raise ValueError(f"{name} is {value!r}, expected one of {list(known)}")


def require_blocks(run: Run, blocks: Sequence[Block]) -> None:
    """Compares a run's blocks with a model's.

    Raises:
        ValueError: They differ; the message names the first block that does.
    """
    for index, (held, found) in enumerate(zip(run.blocks, blocks, strict=False)):
        if held != found:
            raise ValueError(
                f"block {index} of run {run.run_id!r} is {held}, but the model's is {found}: choose"
                " the adapter and include= of that run, or another run"
            )
    if len(run.blocks) != len(blocks):
        longer, which = (run.blocks, "run") if len(run.blocks) > len(blocks) else (blocks, "model")
        count = min(len(run.blocks), len(blocks))
        raise ValueError(
            f"run {run.run_id!r} has {len(run.blocks)} blocks, the model {len(blocks)}; the first"
            f" that only the {which} has is {longer[count]}"
        )


def require_eval(module: nn.Module) -> None:
    """Checks that no part of a model is in train mode.

    Raises:
        ValueError: One is.
    """
    name = next((name or "model" for name, m in module.named_modules() if m.training), None)
    if name is not None:
        raise ValueError(
            f"{name} is in train mode, where dropout makes every gradient another: call"
            " model.eval() before; to take gradients from training itself, capture(...,"
            " estimator='during_training')"
        )


def require_no_batch_norm(module: nn.Module) -> None:
    """Checks that no batch normalisation ties samples of a batch together.

    Raises:
        ValueError: One does.
    """
    for name, each in module.named_modules():
        if isinstance(each, _BatchNorm) and each.training:
            raise ValueError(
                f"{name}, a {type(each).__name__} in train mode, mixes the samples of a batch, so"
                " that none has a gradient of its own: put it into eval mode"
            )
