"""What a Trainer of transformers is told: where samples go, and when epochs begin and end."""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from transformers import TrainerCallback

from datainf._capturing import Estimator, Reduction
from datainf._client import Client
from datainf._encoding import Dtype
from datainf._options import WriterOptions
from datainf._result import QueryResult
from datainf._run import Run
from datainf._torch.capture import Capture
from datainf._torch.validation import require_known

if TYPE_CHECKING:
    from datainf._torch.trainer import DataInfTrainerMixin

_NO_MIXIN = (
    "DataInfCallback needs a trainer that knows the ids of samples: class MyTrainer("
    "datainf.DataInfTrainerMixin, Trainer), and give it the callback by callbacks=[...]"
)


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class EpochInfluence:
    """What was captured while one epoch was trained.

    Attributes:
        run: Gradients of the samples, each at the parameters of its step.
        learning_rate: Mean over the steps, of the optimiser's first group.
        result: Influence on the trainer's `eval_dataset`, of all samples, by
            `method="hessian_free"`; None without `eval_dataset`.
    """

    run: Run
    learning_rate: float
    result: QueryResult | None


class DataInfCallback(TrainerCallback):
    """Tells a trainer with `DataInfTrainerMixin` where gradients go. It computes nothing.

    Attributes:
        epochs: One entry for each epoch that ended, of `estimator="during_training"`.

    Example:
        >>> callback = datainf.DataInfCallback(client, "my-run")
        >>> trainer = InfluenceTrainer(
        ...     model=model, args=args, train_dataset=train, callbacks=[callback]
        ... )
        >>> trainer.influence(validation, top_k=3).ids.shape
        (2, 3)
    """

    def __init__(
        self,
        client: Client | str,
        run_id: str,
        *,
        estimator: Estimator = "final",
        id_column: str | None = None,
        adapter: str | None = None,
        include: Sequence[str] = (),
        reduction: Reduction | None = None,
        stored_dtype: Dtype = "f32",
        options: WriterOptions | None = None,
    ) -> None:
        """Keeps the options; connects when it is first needed.

        Args:
            client: The server; or its address, as for `datainf.Client`.
            run_id: Run of the final pass. Those captured during training are named
                `{run_id}-epoch-{number}`.
            estimator: `"final"`: `trainer.influence` takes all gradients, after training.
                `"during_training"`: those of each epoch are captured too, from the backward passes
                of the trainer, for `trainer.trajectory_influence`.
            id_column: Column of the training set that holds ids, integers from 0 to 2^63 - 1, each
                once. None: the index of a sample is its id.
            adapter: As for `datainf.capture`, like the others.
            include: Further weights.
            reduction: How the loss of a batch is made of those of its samples; None: told by the
                labels.
            stored_dtype: Of the runs.
            options: Buffering of the writers.

        Raises:
            ValueError: estimator or reduction is unknown.
        """
        require_known(reduction, estimator)
        self.run_id = run_id
        self.estimator = estimator
        self.id_column = id_column
        self.adapter = adapter
        self.include = include
        self.reduction = reduction
        self.stored_dtype = stored_dtype
        self.options = options
        self.epochs: list[EpochInfluence] = []
        self._client = client
        self._trainer: DataInfTrainerMixin | None = None
        self._capture: Capture | None = None
        self._rates: list[float] = []

    @property
    def client(self) -> Client:
        """The server."""
        if isinstance(self._client, str):
            self._client = Client(self._client)
        return self._client

    @property
    def capture(self) -> Capture:
        """The capture of the epoch that is being trained.

        Raises:
            RuntimeError: None is.
        """
        if self._capture is None:
            raise RuntimeError("no epoch is being captured: use trainer.train()")
        return self._capture

    def attach(self, trainer: DataInfTrainerMixin) -> None:
        """Names the trainer whose callback this is. The mixin calls it."""
        self._trainer = trainer

    def on_train_begin(self, *_: Any, **__: Any) -> None:
        """Forgets what an earlier training left.

        Raises:
            RuntimeError: The trainer has no `DataInfTrainerMixin`.
        """
        if self._trainer is None:
            raise RuntimeError(_NO_MIXIN)
        self.epochs = []
        left, self._capture = self._capture, None
        if left is not None:  # of a training that failed
            error = RuntimeError("the training ended early")
            left.__exit__(RuntimeError, error, None)

    def on_epoch_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002  # by name
        """Opens the run of the epoch."""
        if self._trainer is not None and self.estimator == "during_training":
            self._rates = []
            self._capture = self._trainer.capture_epoch(int(state.epoch or 0)).__enter__()

    def on_step_begin(self, *_: Any, **kwargs: Any) -> None:
        """Notes the learning rate of the step."""
        if self._capture is not None:
            self._rates.append(float(kwargs["lr_scheduler"].get_last_lr()[0]))

    def on_epoch_end(self, *_: Any, **__: Any) -> None:
        """Closes the run of the epoch, and asks for the influence on the evaluation set."""
        if self._trainer is None or self._capture is None:
            return
        ended, self._capture = self._capture, None
        run, result = self._trainer.finish_epoch(ended)
        rate = statistics.fmean(self._rates) if self._rates else 0.0
        self.epochs.append(EpochInfluence(run=run, learning_rate=rate, result=result))
