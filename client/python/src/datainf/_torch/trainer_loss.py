"""The loss of a Trainer: as a function of a batch, and watched in its training steps."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import torch
from transformers import Trainer

from datainf._torch.capture import Capture
from datainf._torch.checking import evaluating

if TYPE_CHECKING:
    from datainf._torch.trainer import DataInfTrainerMixin

_ITEMS = "num_items_in_batch"


class TrainerLoss:
    """`loss(model, batch)` of a trainer, for `datainf.capture`, before it multiplies by processes.

    Trainer multiplies the model's loss in place by the number of processes. What is watched is
    therefore the loss as the model returns it, by a hook behind the model; a loss that is computed
    outside of the model is watched as `compute_loss` returns it.
    """

    def __init__(self, trainer: DataInfTrainerMixin) -> None:
        """Keeps the trainer."""
        self._trainer = trainer
        self._needs_items: bool | None = None

    def __call__(self, model: Any, batch: Any) -> torch.Tensor:
        """Returns the loss of a batch, without the factor for the number of processes."""
        trainer = self._trainer
        inputs = dict(batch)
        with trainer.compute_loss_context_manager():
            if self._is_models():
                return _loss_in(model(**inputs))
            items = inputs.pop(_ITEMS, None)
            return trainer.compute_loss(model, inputs, num_items_in_batch=items)

    @contextlib.contextmanager
    def watched(
        self, cap: Capture, ids: torch.Tensor, batch: dict[str, Any]
    ) -> Iterator[Callable[[torch.Tensor], None]]:
        """Watches the loss of a training step that is computed within; yields what to give it to.

        Raises:
            ValueError: The trainer multiplies a loss of its own by the number of processes.
        """
        module, step = self._trainer.model, self._trainer.state.global_step

        def watch(loss: torch.Tensor) -> None:
            cap.watch(ids, self._without_unused_items(module, batch), loss, steps=step)

        if not self._is_models():
            self._require_unscaled(batch)
            yield watch
            return

        def behind_model(_module: Any, _inputs: Any, outputs: Any) -> None:
            handle.remove()  # the check of the first batch runs the model again
            watch(_loss_in(outputs))

        handle = module.register_forward_hook(behind_model)
        try:
            yield lambda _loss: None
        finally:
            handle.remove()

    def _is_models(self) -> bool:
        """Returns whether Trainer takes the loss that the model returns, as it is."""
        trainer = self._trainer
        custom = trainer.label_smoother is not None or trainer.compute_loss_func is not None
        definers = [each for each in type(trainer).__mro__ if "compute_loss" in vars(each)]
        return not custom and [each.__module__ for each in definers] == [
            "datainf._torch.trainer",
            Trainer.__module__,
        ]

    def _require_unscaled(self, batch: dict[str, Any]) -> None:
        args, processes = self._trainer.args, self._trainer.accelerator.num_processes
        if _ITEMS in batch and processes > 1 and args.average_tokens_across_devices:
            raise ValueError(
                f"args.average_tokens_across_devices is True with {processes} processes and a loss"
                " that the model does not compute itself, so that its factor cannot be measured:"
                " set it to False, or use estimator='final'"
            )

    def _without_unused_items(self, module: Any, batch: dict[str, Any]) -> dict[str, Any]:
        """Leaves out num_items_in_batch if the loss does not depend on it, as many do not."""
        if _ITEMS not in batch:
            return batch
        if self._needs_items is None:
            with torch.no_grad(), evaluating(module):
                once, twice = (
                    float(self(module, {**batch, _ITEMS: batch[_ITEMS] * times}))
                    for times in (1, 2)
                )
            self._needs_items = abs(once - twice) > 0.25 * abs(once)
        if self._needs_items:
            return batch
        return {key: value for key, value in batch.items() if key != _ITEMS}


def _loss_in(outputs: Any) -> torch.Tensor:
    loss = outputs.get("loss") if isinstance(outputs, dict) else outputs[0]
    if not isinstance(loss, torch.Tensor):
        raise TypeError("the model returned no loss, expected a tensor: has the batch labels?")
    return loss
