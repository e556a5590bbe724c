"""Trainers of transformers over tiny models, and data sets of unequal samples for them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import transformers
from models import causal_batch, unpadded
from torch import nn

import datainf

LENGTHS = (9, 5, 12, 3, 7, 4, 10)


class InfluenceTrainer(datainf.DataInfTrainerMixin, transformers.Trainer):
    pass


def samples(lengths: Sequence[int] = LENGTHS, *, seed: int = 1) -> list[dict[str, Any]]:
    """Samples without padding, as lists, with a column that no model takes."""
    batch = causal_batch(tuple(lengths), seed=seed)
    each = [unpadded(batch, k) for k in range(len(lengths))]
    return [
        {**{key: one[key][0].tolist() for key in one}, "text": str(k)} for k, one in enumerate(each)
    ]


def alone(dataset: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Each sample as a batch of one."""
    return [pad([{k: v for k, v in each.items() if k != "text"}]) for each in dataset]


def pad(features: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
    """A collator that knows nothing of ids, nor of text."""
    longest = max(len(each["input_ids"]) for each in features)
    fill = {"input_ids": 0, "attention_mask": 0, "labels": -100}
    assert all(set(each) <= set(fill) for each in features)
    return {
        key: torch.tensor(
            [each[key] + [fill[key]] * (longest - len(each[key])) for each in features]
        )
        for key in features[0]
    }


def arguments(folder: Path, **options: Any) -> transformers.TrainingArguments:
    settings: dict[str, Any] = {
        "per_device_train_batch_size": 2,
        "per_device_eval_batch_size": 3,
        "num_train_epochs": 1,
        "learning_rate": 0.0,
        "report_to": [],
        "save_strategy": "no",
        "disable_tqdm": True,
        "use_cpu": True,
        "seed": 0,
        **options,
    }
    return transformers.TrainingArguments(output_dir=str(folder), **settings)


def without_dropout(model: Any) -> Any:
    """So that gradients of training are those of evaluation."""
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    return model
