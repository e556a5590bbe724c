"""Hugging Face's Trainer: gradients captured from its own backward passes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from loop import gradients_alone, loss_of, require_equal
from models import llama, randomize, roberta
from test_training import stored
from torch import nn
from trainers import InfluenceTrainer, alone, arguments, pad, samples, without_dropout

import datainf


def trainer_of(client: Any, run_id: str, folder: Path, **options: Any) -> InfluenceTrainer:
    kind = options.pop("kind", InfluenceTrainer)
    callback = datainf.DataInfCallback(client, run_id, estimator="during_training")
    settings: dict[str, Any] = {
        "model": without_dropout(llama()),
        "args": arguments(folder),  # learning rate 0: gradients can be compared afterwards
        "train_dataset": samples(),
        "data_collator": pad,
        "callbacks": [callback],
        **options,
    }
    trainer: InfluenceTrainer = kind(**settings)
    return trainer


def require_captured(
    case: str,
    client: datainf.Client,
    run_id: str,
    trainer: InfluenceTrainer,
    dataset: Any = None,
    loss: Any = loss_of,
    tolerance: float = 1e-5,
) -> None:
    run = client.run(f"{run_id}-epoch-0")
    assert run.checkpoint == "epoch-0"
    trainer.model.eval()
    expected = gradients_alone(
        trainer.model, run.blocks, alone(samples()) if dataset is None else dataset, loss
    )
    kept = stored(run, list(range(len(expected))))
    require_equal(f"Trainer, during training, {case}", kept, expected, run.blocks, tolerance)


@pytest.mark.parametrize(
    "options",
    [
        {"per_device_train_batch_size": 3},
        {"gradient_accumulation_steps": 2},
        {"remove_unused_columns": False},
        {"train_sampling_strategy": "group_by_length"},
        {"gradient_checkpointing": True},
        {"dataloader_num_workers": 1},
        {"eval_strategy": "steps", "eval_steps": 1},
        {"label_smoothing_factor": 0.1},
    ],
    ids=lambda options: next(iter(options)),
)
def test_training_with(
    client: datainf.Client, run_id: str, tmp_path: Path, options: dict[str, Any]
) -> None:
    dataset = samples()
    if "remove_unused_columns" in options:
        for each in dataset:
            del each["text"]
    trainer = trainer_of(
        client,
        run_id,
        tmp_path,
        args=arguments(tmp_path, **options),
        train_dataset=dataset,
        eval_dataset=dataset[:3],
    )
    trainer.train()

    def loss(model: Any, batch: Any) -> Any:
        return trainer.compute_loss(model, dict(batch))

    require_captured(next(iter(options)), client, run_id, trainer, loss=loss)


def test_training_of_a_model_that_ignores_num_items_in_batch(
    client: datainf.Client, run_id: str, tmp_path: Path
) -> None:
    dataset = [{k: v for k, v in each.items() if k != "labels"} for each in samples()]
    dataset = [{**each, "label": k % 3} for k, each in enumerate(dataset)]
    ones = [
        {
            "input_ids": torch.tensor([each["input_ids"]]),
            "attention_mask": torch.tensor([each["attention_mask"]]),
            "labels": torch.tensor([each["label"]]),
        }
        for each in dataset
    ]
    trainer = trainer_of(
        client,
        run_id,
        tmp_path,
        model=without_dropout(roberta()),
        args=arguments(tmp_path, gradient_accumulation_steps=2),
        train_dataset=dataset,
        data_collator=_classification,
    )
    assert trainer.model_accepts_loss_kwargs
    trainer.train()
    require_captured("RoBERTa, accumulation", client, run_id, trainer, ones)


def _classification(features: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
    longest = max(len(each["input_ids"]) for each in features)
    fill = {"input_ids": 1, "attention_mask": 0}
    batch = {
        key: torch.tensor([each[key] + [f] * (longest - len(each[key])) for each in features])
        for key, f in fill.items()
    }
    return {**batch, "labels": torch.tensor([each["label"] for each in features])}


def test_training_with_compute_loss_func(
    client: datainf.Client, run_id: str, tmp_path: Path
) -> None:
    def token_sum(outputs: Any, labels: Any, num_items_in_batch: Any = None) -> Any:
        logits, labels = outputs.logits[:, :-1].flatten(0, 1), labels[:, 1:].flatten()
        total = nn.functional.cross_entropy(logits, labels, reduction="sum")
        return total / (
            (labels != -100).sum() if num_items_in_batch is None else num_items_in_batch
        )

    trainer = trainer_of(
        client,
        run_id,
        tmp_path,
        compute_loss_func=token_sum,
        args=arguments(tmp_path, gradient_accumulation_steps=2),
    )
    trainer.train()
    require_captured("compute_loss_func, accumulation", client, run_id, trainer)


class _Doubling(datainf.DataInfTrainerMixin, transformers.Trainer):
    """Multiplies the loss behind the mixin's back, which the check finds."""

    def compute_loss(self, *args: Any, **kwargs: Any) -> Any:
        return 2 * super().compute_loss(*args, **kwargs)


class _Hiding(datainf.DataInfTrainerMixin, transformers.Trainer):
    def compute_loss(
        self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        del return_outputs, num_items_in_batch
        return model(**inputs).loss


class _Weighted(transformers.Trainer):
    def compute_loss(
        self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        del num_items_in_batch
        outputs = model(**inputs)
        weights = torch.linspace(1, 3, len(inputs["labels"]))
        logits, labels = outputs.logits[:, :-1].transpose(1, 2), inputs["labels"][:, 1:]
        own = nn.functional.cross_entropy(logits, labels, reduction="none").sum(dim=1)
        loss = (own * weights).sum()
        return (loss, outputs) if return_outputs else loss


class _InfluenceWeighted(datainf.DataInfTrainerMixin, _Weighted):
    pass


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (_Doubling, "give the loss before it is divided or scaled"),
        (_Hiding, "_Hiding.compute_loss did not call super"),
        (_InfluenceWeighted, "the captured gradient of sample .* times the one it has alone"),
    ],
)
def test_custom_compute_loss_that_is_refused(
    client: datainf.Client, run_id: str, tmp_path: Path, kind: Any, message: str
) -> None:
    trainer = trainer_of(client, run_id, tmp_path, kind=kind)
    with pytest.raises((ValueError, RuntimeError), match=message):
        trainer.train()


class _PlainCopy(transformers.Trainer):
    """Computes the usual loss in its own way, as people do."""

    def compute_loss(
        self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        del num_items_in_batch
        outputs = model(**inputs)
        return (outputs.loss, outputs) if return_outputs else outputs.loss


class _InfluencePlainCopy(datainf.DataInfTrainerMixin, _PlainCopy):
    pass


def test_training_with_custom_compute_loss(
    client: datainf.Client, run_id: str, tmp_path: Path
) -> None:
    trainer = trainer_of(client, run_id, tmp_path, kind=_InfluencePlainCopy)
    trainer.train()
    require_captured("own compute_loss", client, run_id, trainer)


def test_trajectory_influence_adds_epochs_by_learning_rate(
    client: datainf.Client, run_id: str, tmp_path: Path
) -> None:
    validation = samples((8, 4), seed=9)
    args = arguments(tmp_path, learning_rate=1e-2, num_train_epochs=2)
    trainer = trainer_of(client, run_id, tmp_path, args=args, eval_dataset=validation)
    trainer.train()
    first, second = trainer.datainf.epochs
    assert first.learning_rate > second.learning_rate > 0
    assert [first.run.run_id, second.run.run_id] == [f"{run_id}-epoch-{k}" for k in (0, 1)]
    combined = trainer.trajectory_influence()
    assert first.result is not None
    assert second.result is not None
    order = [np.argsort(each.result.ids[0]) for each in (first, second) if each.result is not None]
    expected = (
        first.learning_rate * first.result.scores[:, order[0]]
        + second.learning_rate * second.result.scores[:, order[1]]
    )
    np.testing.assert_allclose(combined.scores, expected)
    assert trainer.influence(validation).snapshot.sample_count == 7  # the final pass, beside


def test_training_is_the_same_with_capture(
    client: datainf.Client, run_id: str, tmp_path: Path
) -> None:
    def trained(kind: Any, **options: Any) -> list[torch.Tensor]:
        torch.manual_seed(3)
        model = llama(lora_dropout=0.1)
        randomize(model)
        kind(
            model=model,
            args=arguments(tmp_path, learning_rate=1e-2, num_train_epochs=2),
            train_dataset=samples(),
            eval_dataset=samples((8, 4), seed=9),
            data_collator=pad,
            **options,
        ).train()
        return [p.detach() for p in model.parameters() if p.requires_grad]

    callback = datainf.DataInfCallback(client, run_id, estimator="during_training")
    plain = trained(transformers.Trainer)
    captured = trained(InfluenceTrainer, callbacks=[callback])
    assert all(torch.equal(a, b) for a, b in zip(plain, captured, strict=True))


def test_trajectory_influence_without_epochs_is_refused(
    client: datainf.Client, run_id: str, tmp_path: Path
) -> None:
    trainer = trainer_of(client, run_id, tmp_path)
    trainer.train()  # without an evaluation set
    with pytest.raises(RuntimeError, match="0 epochs were captured with an evaluation set"):
        trainer.trajectory_influence()


def test_callback_without_mixin_is_refused(
    client: datainf.Client, run_id: str, tmp_path: Path
) -> None:
    trainer = transformers.Trainer(
        model=llama(),
        args=arguments(tmp_path),
        train_dataset=samples(),
        data_collator=pad,
        callbacks=[datainf.DataInfCallback(client, run_id)],
    )
    with pytest.raises(RuntimeError, match="needs a trainer that knows the ids of samples"):
        trainer.train()
