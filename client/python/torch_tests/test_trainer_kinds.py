"""Hugging Face's Trainer with the data sets, precisions and optimisers that people have."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from loop import gradients_alone, require_equal
from models import llama
from test_training import stored
from torch.utils.data import Dataset
from trainers import InfluenceTrainer, alone, arguments, pad, samples, without_dropout

import datainf

ESTIMATORS = ["final", "during_training"]
IDS = list(range(7))


def trained(
    client: Any, run_id: str, folder: Path, estimator: Any, **options: Any
) -> InfluenceTrainer:
    settings: dict[str, Any] = {
        "model": without_dropout(llama()),
        "args": arguments(folder),  # learning rate 0: gradients can be compared afterwards
        "train_dataset": samples(),
        "data_collator": pad,
        "callbacks": [datainf.DataInfCallback(client, run_id, estimator=estimator)],
        **options,
    }
    trainer = InfluenceTrainer(**settings)
    trainer.train()
    return trainer


def require_stored(
    case: str, trainer: InfluenceTrainer, estimator: str, tolerance: float = 1e-5
) -> None:
    """Compares the run of the final pass, or of the first epoch, with the loop."""
    run = trainer.push_training_set() if estimator == "final" else trainer.datainf.epochs[0].run
    expected = gradients_alone(trainer.model.eval(), run.blocks, alone(samples()))
    require_equal(
        f"Trainer, {estimator}, {case}", stored(run, IDS), expected, run.blocks, tolerance
    )


class _Table(Dataset[Any]):
    """Columns, as `datasets.Dataset` has them: a row is a dict, several are fetched at once."""

    def __init__(self, rows: list[dict[str, Any]]) -> None:
        self.column_names = list(rows[0])
        self._columns = {name: [row[name] for row in rows] for name in self.column_names}

    def __len__(self) -> int:
        return len(self._columns[self.column_names[0]])

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, list):  # columns, not rows
            return {name: [values[k] for k in index] for name, values in self._columns.items()}
        return {name: values[index] for name, values in self._columns.items()}

    def __getitems__(self, indices: list[int]) -> list[dict[str, Any]]:
        columns = self[indices]
        return [{name: columns[name][k] for name in columns} for k in range(len(indices))]


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_table_of_columns(
    client: datainf.Client, run_id: str, tmp_path: Path, estimator: Any
) -> None:
    table = _Table(samples())
    trainer = trained(client, run_id, tmp_path, estimator, train_dataset=table)
    require_stored("table of columns", trainer, estimator)
    assert trainer.influence(_Table(samples((8, 4), seed=9))).ids.shape == (2, 7)


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_bf16_mixed_precision(
    client: datainf.Client, run_id: str, tmp_path: Path, estimator: Any
) -> None:
    trainer = trained(client, run_id, tmp_path, estimator, args=arguments(tmp_path, bf16=True))
    require_stored("bf16=True, against float32", trainer, estimator, tolerance=5e-2)


@pytest.mark.parametrize("estimator", ESTIMATORS)
@pytest.mark.parametrize("name", ["adafactor", "sgd"])
def test_optimisers_by_name(
    client: datainf.Client, run_id: str, tmp_path: Path, name: str, estimator: Any
) -> None:
    trainer = trained(client, run_id, tmp_path, estimator, args=arguments(tmp_path, optim=name))
    require_stored(name, trainer, estimator)


class _Averaging(torch.optim.SGD):
    """Trains at the last weights, evaluates at their mean, as schedule-free optimisers do."""

    def __init__(self, parameters: Any, lr: float) -> None:
        super().__init__(parameters, lr=lr)
        weights = [p for group in self.param_groups for p in group["params"]]
        self.sums = [(p, torch.zeros_like(p)) for p in weights]
        self.steps, self.last = 0, [p.detach().clone() for p in weights]
        self.is_training = True

    def train(self) -> None:
        if not self.is_training:
            self._put(self.last)
        self.is_training = True

    def eval(self) -> None:
        if self.is_training and self.steps:
            self.last = [p.detach().clone() for p, _ in self.sums]
            self._put([total / self.steps for _, total in self.sums])
            self.is_training = False

    def step(self, closure: Callable[[], float] | None = None) -> Any:
        assert self.is_training
        result = super().step(closure)
        self.steps += 1
        for weight, total in self.sums:
            total.add_(weight.detach())
        return result

    def _put(self, values: list[torch.Tensor]) -> None:
        with torch.no_grad():
            for (weight, _), value in zip(self.sums, values, strict=True):
                weight.copy_(value)


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_final_pass_is_at_the_weights_that_an_averaging_optimiser_evaluates_at(
    client: datainf.Client, run_id: str, tmp_path: Path, estimator: Any
) -> None:
    model = without_dropout(llama())
    optimizer = _Averaging([p for p in model.parameters() if p.requires_grad], lr=0.05)
    trainer = trained(
        client,
        run_id,
        tmp_path,
        estimator,
        model=model,
        optimizers=(optimizer, None),
        eval_dataset=samples((8, 4), seed=9),
        args=arguments(tmp_path, num_train_epochs=2),
    )
    run = trainer.push_training_set()
    assert not optimizer.is_training
    mean = [total / optimizer.steps for _, total in optimizer.sums]
    assert not any(torch.equal(a, b) for a, b in zip(mean, optimizer.last, strict=True))
    assert all(torch.equal(a, p) for a, (p, _) in zip(mean, optimizer.sums, strict=True))
    expected = gradients_alone(trainer.model.eval(), run.blocks, alone(samples()))
    require_equal(
        f"Trainer, {estimator}, averaging optimiser", stored(run, IDS), expected, run.blocks
    )
