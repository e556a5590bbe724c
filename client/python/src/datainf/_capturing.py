"""Entry to the capture of gradients from PyTorch models. Imports torch only when it is used."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal

from datainf._block import Block
from datainf._client import Client
from datainf._encoding import Dtype
from datainf._options import WriterOptions
from datainf._run import Run

if TYPE_CHECKING:
    import torch

    from datainf._torch.capture import Capture

Reduction = Literal["mean", "sum", "token_mean", "causal_token_mean"]
"""How the loss of a batch was made of the losses of its samples."""

Estimator = Literal["final", "during_training"]
"""At which parameters gradients are taken."""


class CaptureError(ValueError):
    """Captured gradients are not those that the samples have alone; the message says what to do."""


_NEEDS_TORCH = "needs PyTorch: pip install 'datainf-client[torch]'"


def capture(
    model: torch.nn.Module,
    run: Run | str | None = None,
    *,
    client: Client | None = None,
    adapter: str | None = None,
    include: Sequence[str] = (),
    loss: Callable[[Any, Any], torch.Tensor] | None = None,
    reduction: Reduction | None = None,
    estimator: Estimator = "final",
    checkpoint: str = "",
    stored_dtype: Dtype = "f32",
    options: WriterOptions | None = None,
) -> Capture:
    """Returns a context in which the per-sample gradients of a model's LoRA matrices are captured.

    One forward and one backward pass of a whole batch give the gradient of each sample's own loss:
    hooks take the input x and the gradient dy of the output of each `lora_A` and `lora_B`, and the
    gradient of sample i is sum_s dy[i, s] x[i, s]^T. On the first batch one sample is computed
    again alone, and must agree.

    Args:
        model: A PEFT model with LoRA, a model of diffusers after `add_adapter`, or with `include`
            any other; also within DistributedDataParallel.
        run: Where `push` and `watch` send to: a run, whose blocks must be the model's; or the id of
            one to make, or open if it is there, with `client`. None: only `gradients` can be used.
        client: Makes the run, if `run` is an id.
        adapter: Name of the LoRA adapter; None: the active one.
        include: Further weights of `torch.nn.Linear` modules that are blocks of their own, [out,
            in], by name without the adapter's; a pattern or the end of a name is enough, e.g.
            `["classifier.out_proj.weight"]`.
        loss: `loss(model, batch)` returns the loss of a batch: one loss a sample, shape [B], or a
            scalar, see `reduction`. It must depend on nothing else: draw noise before. None:
            `model(**batch).loss`, as models of transformers have it.
        reduction: How a scalar loss was made of those of the samples. `"mean"`, `"sum"`: over the
            samples. `"token_mean"`: over all tokens whose `batch["labels"]` is not -100.
            `"causal_token_mean"`: the same without each sample's first token, which nothing
            predicts. None: told by the shape of `batch["labels"]`. The loss of a sample is the mean
            over its own tokens. `batch["num_items_in_batch"]`, if there, is what the sum over
            tokens was divided by.
        estimator: `"final"`: `push` computes gradients at the parameters the model has now, with
            `model.eval()`, as the paper does. `"during_training"`: `watch` takes them from your own
            backward passes; use one run a checkpoint, and `datainf.combine_checkpoints`.
        checkpoint: Tag of a run that is made: which parameters gradients are taken at.
        stored_dtype: Of a run that is made.
        options: Buffering of the writer.

    Raises:
        ImportError: PyTorch is missing.
        TypeError: `run` is an id and `client` is missing.
        ValueError: The model has no LoRA matrix that is trained, has one that cannot be captured,
            or has other blocks than the run; the message says which, and what to do.
        AlreadyExistsError: The run with this id has another definition.

    What the capture returned computes raises `CaptureError` if the check fails.

    Example:
        >>> with datainf.capture(model, "my-run", client=client) as cap:
        ...     for ids, batch in loader:
        ...         cap.push(ids, batch)
        ...     gradients = cap.gradients(validation_batch)
        >>> cap.run.query(gradients, top_k=3).scores.shape
        (2, 3)
    """
    try:
        from datainf._torch.capture import Capture  # noqa: PLC0415  # optional
        from datainf._torch.targets import find_targets  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise ImportError(f"capture {_NEEDS_TORCH}") from error
    targets = find_targets(model, adapter, include)
    if isinstance(run, str):
        if client is None:
            raise TypeError(f"client is None, expected the Client that makes the run {run!r}")
        run = client.create_run(
            run,
            [target.block for target in targets],
            checkpoint=checkpoint,
            stored_dtype=stored_dtype,
        )
    return Capture(
        model,
        targets,
        run=run,
        loss=loss,
        reduction=reduction,
        estimator=estimator,
        options=options,
    )


def lora_blocks(
    model: torch.nn.Module, *, adapter: str | None = None, include: Sequence[str] = ()
) -> list[Block]:
    """Returns the blocks that `capture` finds, for `Client.create_run`.

    Works without memory for weights too, on PyTorch's "meta" device.

    Args:
        model: As for `capture`.
        adapter: As for `capture`.
        include: As for `capture`.

    Returns:
        One block for each trained matrix, in the order of the model.

    Raises:
        ImportError: PyTorch is missing.
        ValueError: As for `capture`.

    Example:
        >>> block = datainf.lora_blocks(model)[0]
        >>> block.name
        'base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight'
        >>> block.rows, block.columns
        (4, 32)
    """
    try:
        from datainf._torch.targets import find_targets  # noqa: PLC0415  # optional
    except ModuleNotFoundError as error:
        raise ImportError(f"lora_blocks {_NEEDS_TORCH}") from error
    return [target.block for target in find_targets(model, adapter, include)]


def import_from_torch(module: str, name: str) -> Any:
    """Returns a class that needs transformers too.

    Raises:
        ImportError: PyTorch, transformers or accelerate is missing.
    """
    try:
        return getattr(importlib.import_module(f"datainf._torch.{module}"), name)
    except ModuleNotFoundError as error:
        raise ImportError(
            f"{name} needs {error.name}: pip install 'datainf-client[transformers]'"
        ) from error
