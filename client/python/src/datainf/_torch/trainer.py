"""A Trainer of transformers that knows which sample is which, and answers influence queries."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import torch
from torch.utils.data import DataLoader

from datainf._capturing import Estimator, capture, lora_blocks
from datainf._checkpoints import CombinedScores, combine_checkpoints
from datainf._result import QueryResult
from datainf._run import Run
from datainf._torch.callback import DataInfCallback
from datainf._torch.capture import Capture
from datainf._torch.checking import evaluating
from datainf._torch.numbering import ID_COLUMN, CarryIds, numbered
from datainf._torch.processes import from_main, greatest, weights_tag
from datainf._torch.trainer_loss import TrainerLoss

_log = logging.getLogger("datainf")

if TYPE_CHECKING:  # which base comes behind the mixin is up to the user
    from transformers import Trainer as _Base
else:
    _Base = object


class DataInfTrainerMixin(_Base):
    """Adds influence queries to a Trainer; first among its bases. Needs one `DataInfCallback`.

    Under `accelerate launch` each process sends its own samples, and all have the answer.

    Example:
        >>> class InfluenceTrainer(datainf.DataInfTrainerMixin, transformers.Trainer):
        ...     pass
        >>> trainer = InfluenceTrainer(
        ...     model=model,
        ...     args=args,
        ...     train_dataset=train,
        ...     callbacks=[datainf.DataInfCallback(client, "my-run")],
        ... )
        >>> output = trainer.train()
        >>> result = trainer.influence(validation, top_k=3, ranking="most_helpful")
        >>> result.scores.shape
        (2, 3)
    """

    # Trainer's own, of types that differ between its versions.
    model: Any
    train_dataset: Any
    data_collator: Any

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Makes the trainer, and checks what would fail after training.

        Raises:
            ValueError: There is not exactly one `DataInfCallback`; the model has no LoRA matrix
                that is trained, or one that cannot be captured; samples have no ids.
        """
        super().__init__(*args, **kwargs)
        callbacks = self.callback_handler.callbacks
        found = [each for each in callbacks if isinstance(each, DataInfCallback)]
        if len(found) != 1:
            raise ValueError(
                f"callbacks has {len(found)} DataInfCallback, expected one: callbacks=["
                "datainf.DataInfCallback(client, run_id)]"
            )
        self.datainf = found[0]
        self.datainf.attach(self)
        lora_blocks(self.model, adapter=self.datainf.adapter, include=self.datainf.include)
        if self.train_dataset is not None:
            numbered(self.train_dataset, self.datainf.id_column)
        self._ids: torch.Tensor | None = None  # of the batch that is in training_step
        self._loss = TrainerLoss(self)
        self._pushed: tuple[str, Any, Run, int] | None = None

    def influence(self, eval_dataset: Any = None, **query: Any) -> QueryResult:
        """Returns the influence of the training samples on the loss of an evaluation set.

        Takes all gradients at the parameters that the model has now, in eval mode: first of the
        training set, unless that was done at these parameters, then of the evaluation set. Losses
        are those of `compute_loss`.

        Args:
            eval_dataset: Of mappings from column to value; None: the trainer's.
            query: As for `Run.query`: `top_k`, `ranking`, `method`, ...

        Returns:
            One row for each sample of the evaluation set, in its order; ids are those of the
            training set, by default its indices.

        Raises:
            TypeError: There is no evaluation set, or it is a dict of several.
            CaptureError: The loss is not made of losses of samples; see `datainf.capture`.
            AlreadyExistsError: The run holds gradients of another layout or at other parameters.
            DataInfError: As for `Run.query`.
        """
        dataset = self._evaluation_set(eval_dataset)
        run, revision = self._push()
        gradients = self._gradients_of(dataset)
        return from_main(
            self.accelerator,
            lambda: run.query(gradients.numpy(), min_revision=revision, **query),
        )

    def push_training_set(self) -> Run:
        """Sends the gradients of all training samples, at the parameters that the model has now.

        `influence` calls it. The run's checkpoint is a digest of the weights that are trained, so
        that the server refuses to mix: after further training choose another
        `trainer.datainf.run_id`.

        Returns:
            The run that holds them. Nothing is done if this trainer has sent them before.

        Raises:
            DataInfError, ValueError: As for `influence`.
        """
        return self._push()[0]

    def trajectory_influence(self) -> CombinedScores:
        """Returns the influence over training: scores of each epoch times its learning rate, added.

        That is TracInCP, over the samples' own training steps, on the trainer's `eval_dataset` at
        the end of each epoch. For `estimator="during_training"`.

        Raises:
            RuntimeError: No epoch was captured, or there was no evaluation set.
            ValueError: An epoch did not see all samples; see `datainf.combine_checkpoints`.
        """
        epochs = self.datainf.epochs
        results = [each.result for each in epochs if each.result is not None]
        if not results or len(results) != len(epochs):
            raise RuntimeError(
                f"{len(results)} epochs were captured with an evaluation set, expected all and at"
                " least one: pass DataInfCallback(estimator='during_training') and"
                " Trainer(eval_dataset=...), then call train()"
            )
        return combine_checkpoints(results, [each.learning_rate for each in epochs])

    def capture_epoch(self, epoch: int) -> Capture:
        """Returns the capture of an epoch's backward passes. The callback calls it.

        Raises:
            ValueError: The model is compiled, or split over the devices of this process.
        """
        if self.args.torch_compile or self.args.n_gpu > 1:
            raise ValueError(
                f"args.torch_compile is {self.args.torch_compile} and args.n_gpu {self.args.n_gpu},"
                " expected False and at most 1, as hooks do not see the samples otherwise: start"
                " one process for each device, or use estimator='final'"
            )
        name = f"epoch-{epoch}"
        return self._capture("during_training", f"{self.datainf.run_id}-{name}", name)

    def finish_epoch(self, ended: Capture) -> tuple[Run, QueryResult | None]:
        """Waits until the samples of all processes are durable, and asks. The callback calls it."""
        revision = greatest(ended.flush())
        ended.__exit__(None, None, None)
        run = ended.run
        assert run is not None  # noqa: S101  # `_capture` gave it one
        if self.eval_dataset is None:
            return run, None
        gradients = self._gradients_of(self._evaluation_set(None))
        return run, from_main(
            self.accelerator,
            lambda: run.query(gradients.numpy(), method="hessian_free", min_revision=revision),
        )

    def get_train_dataloader(self) -> DataLoader[Any]:
        """Returns the loader of training; its batches have ids if training is captured."""
        if self.datainf.estimator != "during_training":
            return super().get_train_dataloader()
        dataset, collator = self.train_dataset, self.data_collator
        self.train_dataset = numbered(dataset, self.datainf.id_column)
        self.data_collator = CarryIds(collator)
        try:
            return super().get_train_dataloader()
        finally:
            self.train_dataset, self.data_collator = dataset, collator

    def training_step(
        self, model: torch.nn.Module, inputs: dict[str, Any], *args: Any, **kwargs: Any
    ) -> torch.Tensor:
        """Trains on a batch; takes the ids out of it.

        Raises:
            RuntimeError: A `compute_loss` hides the mixin's.
        """
        self._ids = inputs.pop(ID_COLUMN, None)
        try:
            return super().training_step(model, inputs, *args, **kwargs)
        except RuntimeError as error:
            if self._ids is None:
                raise
            raise RuntimeError(
                f"{type(self).__name__}.compute_loss did not call super().compute_loss: define it"
                " in a class behind DataInfTrainerMixin, (DataInfTrainerMixin, YourTrainer)"
            ) from error

    def compute_loss(
        self,
        model: torch.nn.Module,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: torch.Tensor | int | None = None,
    ) -> Any:
        """Computes the loss as the trainer behind does, and watches that of a training step."""
        own = super().compute_loss
        ids, self._ids = self._ids, None
        if ids is None:
            return own(model, inputs, return_outputs, num_items_in_batch)
        batch = dict(inputs)
        if num_items_in_batch is not None:
            batch["num_items_in_batch"] = num_items_in_batch
        with self._loss.watched(self.datainf.capture, ids, batch) as watch:
            loss, outputs = own(model, inputs, True, num_items_in_batch)
            watch(loss)
        return (loss, outputs) if return_outputs else loss

    def _set_signature_columns_if_needed(self) -> None:
        super()._set_signature_columns_if_needed()
        columns: list[str] = self._signature_columns or []
        if ID_COLUMN not in columns:  # else it would be removed before the collator
            columns.append(ID_COLUMN)

    def _take_final_weights(self) -> None:
        """Lets optimisers put the weights in place that they evaluate at, as `evaluate` does.

        Schedule-free optimisers train at others. Each training step goes back to those.
        """
        switch = getattr(self.optimizer, "eval", None)
        if callable(switch):
            switch()

    def _push(self) -> tuple[Run, int]:
        self._take_final_weights()
        tag = from_main(self.accelerator, lambda: weights_tag(self.model))
        if self._pushed is not None:
            known, dataset, run, revision = self._pushed
            if (known, run.run_id) == (tag, self.datainf.run_id) and dataset is self.train_dataset:
                return run, revision
        dataset = numbered(self.train_dataset, self.datainf.id_column)
        with (
            evaluating(self.model),
            self._capture("final", self.datainf.run_id, tag) as cap,
        ):
            for ids, batch in self._batches(dataset):
                cap.push(ids, batch)
            revision = greatest(cap.flush())
        run = self.datainf.client.run(self.datainf.run_id)
        if hasattr(dataset, "__len__") and run.sample_count < len(dataset):
            _log.warning(
                "%s holds %d of the %d training samples: ids repeat, or gradients were not finite",
                run,
                run.sample_count,
                len(dataset),
            )
        self._pushed = (tag, self.train_dataset, run, revision)
        return run, revision

    def _gradients_of(self, dataset: Any) -> torch.Tensor:
        """Returns gradients in the data set's order, [m, D]; [0, D] outside the main process."""
        if self.accelerator.num_processes > 1 and not self.accelerator.even_batches:
            raise ValueError(
                "accelerator_config.even_batches is False, expected True: processes exchange the"
                " gradients of the evaluation set in batches of one size"
            )
        self._take_final_weights()
        rows: dict[int, torch.Tensor] = {}
        with evaluating(self.model), self._capture("final", None, "") as cap:
            for ids, batch in self._batches(numbered(dataset, None)):
                own = ids, cap.gradients(batch).to(ids.device)
                every, gradients = self.accelerator.gather(own)
                if self.accelerator.is_main_process:  # repeated ids: the same sample
                    rows.update(zip(every.tolist(), gradients.cpu(), strict=True))
            empty = torch.empty(0, cap.dimension)
        return torch.stack([rows[k] for k in sorted(rows)]) if rows else empty

    def _batches(self, dataset: Any) -> Iterator[tuple[torch.Tensor, dict[str, Any]]]:
        """Yields ids and batches of this process, all of the data set between all processes."""
        workers = self.args.dataloader_num_workers
        loader = DataLoader(
            dataset,
            batch_size=self.args.per_device_eval_batch_size,
            collate_fn=self._get_collator_with_removed_columns(CarryIds(self.data_collator)),
            num_workers=workers,
            pin_memory=self.args.dataloader_pin_memory,
            generator=torch.Generator(),  # leaves that of training as it is
        )
        for inputs in self.accelerator.prepare(loader):
            batch = self._prepare_inputs(inputs)
            ids = batch.pop(ID_COLUMN)
            yield ids, batch

    def _capture(self, estimator: Estimator, run_id: str | None, checkpoint: str) -> Capture:
        return capture(
            self.model,
            run_id,
            client=None if run_id is None else self.datainf.client,
            adapter=self.datainf.adapter,
            include=self.datainf.include,
            loss=self._loss,
            reduction=self.datainf.reduction,
            estimator=estimator,
            checkpoint=checkpoint,
            stored_dtype=self.datainf.stored_dtype,
            options=self.datainf.options,
        )

    def _evaluation_set(self, dataset: Any) -> Any:
        chosen = self.eval_dataset if dataset is None else dataset
        if chosen is None or isinstance(chosen, dict):
            found = "None" if chosen is None else f"a dict of {list(chosen)}"
            raise TypeError(f"eval_dataset is {found}, expected one data set: pass it")
        if hasattr(chosen, "__len__") and not len(chosen):
            raise ValueError("eval_dataset is empty, expected at least one sample")
        return chosen
