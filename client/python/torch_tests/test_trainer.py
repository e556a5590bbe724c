"""Hugging Face's Trainer: the final pass, ids, and what is asked after training."""

from __future__ import annotations

import doctest
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from loop import gradients_alone, require_equal
from models import llama
from server_process import ServerProcess
from test_training import stored
from torch.utils.data import Dataset, IterableDataset
from trainers import InfluenceTrainer, alone, arguments, pad, samples

import datainf


def trainer_of(client: Any, run_id: str, folder: Path, **options: Any) -> InfluenceTrainer:
    callback = options.pop("callback", None) or datainf.DataInfCallback(client, run_id)
    settings: dict[str, Any] = {
        "model": llama(),
        "args": arguments(folder, learning_rate=1e-2),
        "train_dataset": samples(),
        "data_collator": pad,
        "callbacks": [callback],
        **options,
    }
    return InfluenceTrainer(**settings)


def test_influence_is_that_of_captures_by_hand(
    client: datainf.Client, run_id: str, tmp_path: Path
) -> None:
    trainer = trainer_of(client, run_id, tmp_path)
    before = [p.detach().clone() for p in trainer.model.parameters() if p.requires_grad]
    trainer.train()
    after = [p.detach() for p in trainer.model.parameters() if p.requires_grad]
    assert not any(torch.equal(a, b) for a, b in zip(before, after, strict=True))
    validation = samples((8, 4, 6, 5), seed=9)
    result = trainer.influence(validation)

    blocks = datainf.lora_blocks(trainer.model)
    trainer.model.eval()
    train = gradients_alone(trainer.model, blocks, alone(samples()))
    points = gradients_alone(trainer.model, blocks, alone(validation))
    run = client.run(run_id)
    require_equal("Trainer, final pass", stored(run, list(range(7))), train, blocks)
    np.testing.assert_allclose(result.scores, run.query(points.numpy()).scores, rtol=1e-5)
    assert result.ids.shape == (4, 7)


def test_influence_keeps_the_mode_and_asks_with_options(
    client: datainf.Client, run_id: str, tmp_path: Path
) -> None:
    trainer = trainer_of(client, run_id, tmp_path, eval_dataset=samples((8, 4), seed=9))
    trainer.model.train()
    result = trainer.influence(top_k=2, ranking="most_helpful", method="hessian_free")
    assert trainer.model.training
    assert result.ids.shape == (2, 2)
    assert result.snapshot.method == "hessian_free"


def test_second_question_makes_no_second_pass(
    client: datainf.Client, run_id: str, tmp_path: Path
) -> None:
    trainer = trainer_of(client, run_id, tmp_path)
    run = trainer.push_training_set()
    trainer.influence(samples((8, 4), seed=9))
    assert trainer.push_training_set() is run
    assert client.run(run_id).revision == run.revision


def test_server_refuses_a_run_of_other_parameters(
    client: datainf.Client, run_id: str, tmp_path: Path
) -> None:
    trainer = trainer_of(client, run_id, tmp_path)
    trainer.push_training_set()
    trainer.train()
    with pytest.raises(datainf.AlreadyExistsError, match="checkpoint"):
        trainer.push_training_set()
    trainer.datainf.run_id = f"{run_id}-trained"
    assert trainer.push_training_set().sample_count == 7


@pytest.mark.parametrize(
    "options",
    [
        {"remove_unused_columns": False},
        {"train_sampling_strategy": "group_by_length"},
        {"dataloader_drop_last": True},
        {"dataloader_num_workers": 1},
        {"label_smoothing_factor": 0.1},
    ],
    ids=lambda options: next(iter(options)),
)
def test_final_pass_with(
    client: datainf.Client, run_id: str, tmp_path: Path, options: dict[str, Any]
) -> None:
    dataset = samples()
    if "remove_unused_columns" in options:
        for each in dataset:
            del each["text"]
    args = arguments(tmp_path, **options)
    trainer = trainer_of(client, run_id, tmp_path, args=args, train_dataset=dataset)
    trainer.train()
    run = trainer.push_training_set()

    def loss(model: Any, batch: Any) -> Any:
        return trainer.compute_loss(model, dict(batch))

    trainer.model.eval()
    expected = gradients_alone(trainer.model, run.blocks, alone(samples()), loss)
    case = f"Trainer, final pass, {next(iter(options))}"
    require_equal(case, stored(run, list(range(7))), expected, run.blocks)


class _Stream(IterableDataset[Any]):
    def __init__(self, dataset: list[Any]) -> None:
        self._dataset = dataset

    def __iter__(self) -> Any:
        return iter(self._dataset)


class _NoLength(Dataset[Any]):
    def __getitem__(self, index: int) -> Any:
        return samples()[index]


@pytest.mark.parametrize("kind", [list, _Stream])
def test_ids_from_a_column(client: datainf.Client, run_id: str, tmp_path: Path, kind: Any) -> None:
    dataset = kind([{**each, "key": np.int64(100 - k)} for k, each in enumerate(samples())])
    callback = datainf.DataInfCallback(client, run_id, id_column="key")
    options: dict[str, Any] = {"args": arguments(tmp_path, max_steps=2), "train_dataset": dataset}
    trainer = trainer_of(client, run_id, tmp_path, callback=callback, **options)
    run = trainer.push_training_set()
    expected = gradients_alone(trainer.model.eval(), run.blocks, alone(samples()))
    require_equal(
        f"Trainer, ids from a column, {kind.__name__}",
        stored(run, list(range(100, 93, -1))),
        expected,
        run.blocks,
    )


def test_ids_that_repeat_are_told(
    client: datainf.Client, run_id: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    dataset = [{**each, "key": k // 2} for k, each in enumerate(samples())]
    callback = datainf.DataInfCallback(client, run_id, id_column="key")
    trainer = trainer_of(client, run_id, tmp_path, train_dataset=dataset, callback=callback)
    assert trainer.push_training_set().sample_count == 4
    assert "holds 4 of the 7 training samples" in caplog.text


@pytest.mark.parametrize(
    ("dataset", "column", "message"),
    [
        (_Stream(samples()), None, "a _Stream, is iterable.*pass DataInfCallback\\(id_column"),
        (_NoLength(), None, "a _NoLength, has no length"),
    ],
)
def test_data_sets_without_ids_are_refused_at_once(
    client: datainf.Client, run_id: str, tmp_path: Path, dataset: Any, column: Any, message: str
) -> None:
    callback = datainf.DataInfCallback(client, run_id, id_column=column)
    options: dict[str, Any] = {"args": arguments(tmp_path, max_steps=2)}
    with pytest.raises(ValueError, match=message):
        trainer_of(client, run_id, tmp_path, train_dataset=dataset, callback=callback, **options)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("a", r"column 'key' of sample 0 is 'a', expected an integer id from 0 to 2\^63 - 1"),
        (-1, "column 'key' of sample 0 is -1"),
        (None, r"sample 0 has no column 'key', which id_column names; it has \['input_ids'"),
    ],
)
def test_ids_that_are_none_are_refused(
    client: datainf.Client, run_id: str, tmp_path: Path, value: Any, message: str
) -> None:
    column = {} if value is None else {"key": value}
    dataset = [{**each, **column} for each in samples()]
    callback = datainf.DataInfCallback(client, run_id, id_column="key")
    trainer = trainer_of(client, run_id, tmp_path, train_dataset=dataset, callback=callback)
    with pytest.raises(ValueError, match=message):
        trainer.push_training_set()


def test_model_without_lora_is_refused_at_once(
    client: datainf.Client, run_id: str, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match="the model has no LoRA matrices: apply LoRA by PEFT"):
        trainer_of(client, run_id, tmp_path, model=llama(tune=False))


def test_trainer_without_callback_is_refused(
    client: datainf.Client, run_id: str, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match="callbacks has 0 DataInfCallback, expected one"):
        trainer_of(client, run_id, tmp_path, callbacks=[])


@pytest.mark.parametrize(
    ("dataset", "error", "message"),
    [
        (None, TypeError, "eval_dataset is None, expected one data set"),
        ({"a": samples()}, TypeError, r"eval_dataset is a dict of \['a'\], expected one data set"),
        ([], ValueError, "eval_dataset is empty"),
        ([3, 4], TypeError, "sample 0 of the data set is a int, expected a mapping"),
        ([{"input_ids": [3, 4]}], TypeError, "the model returned no loss.*has the batch labels"),
    ],
)
def test_evaluation_sets_that_cannot_be_asked_for(
    client: datainf.Client, run_id: str, tmp_path: Path, dataset: Any, error: Any, message: str
) -> None:
    trainer = trainer_of(client, run_id, tmp_path)
    with pytest.raises(error, match=message):
        trainer.influence(dataset)


def test_collator_that_returns_no_mapping_is_refused(
    client: datainf.Client, run_id: str, tmp_path: Path
) -> None:
    trainer = trainer_of(client, run_id, tmp_path, data_collator=lambda _features: (1, 2))
    with pytest.raises(TypeError, match="data_collator returned a tuple, expected a mapping"):
        trainer.push_training_set()


def test_readme_example_runs(
    server: ServerProcess, run_id: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    readme = Path(__file__).parents[1] / "README.md"
    text = readme.read_text(encoding="utf-8").partition("## Hugging Face Trainer")[2]
    code = re.findall(r"```python\n(.*?)```", text, re.DOTALL)[0]
    code = code.replace("unix:/tmp/datainf.sock", server.target).replace("my-trained-model", run_id)
    names = {
        "datainf": datainf,
        "transformers": transformers,
        "model": llama(),
        "args": arguments(tmp_path),
        "collator": pad,
        "train_dataset": samples(),
        "eval_dataset": samples((8, 4), seed=9),
    }
    exec(code, names)  # noqa: S102
    assert capsys.readouterr().out


def test_missing_transformers_is_told() -> None:
    code = "import sys; sys.modules['transformers'] = None; import datainf; datainf.DataInfCallback"
    run = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)  # noqa: S603
    assert (
        "DataInfCallback needs transformers: pip install 'datainf-client[transformers]'"
        in run.stderr
    )


@pytest.mark.parametrize("name", ["DataInfCallback", "DataInfTrainerMixin"])
def test_example_in_docstring_gives_what_it_shows(
    client: datainf.Client, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transformers.PrinterCallback, "on_log", lambda *_, **__: None)
    names = {
        "datainf": datainf,
        "transformers": transformers,
        "client": client,
        "model": llama(),
        "args": arguments(tmp_path),
        "train": _padded(samples()),
        "validation": _padded(samples((8, 4), seed=9)),
        "InfluenceTrainer": InfluenceTrainer,
    }
    test = doctest.DocTestFinder(recurse=False).find(getattr(datainf, name), name, globs=names)[0]
    assert test.examples
    for each in test.examples:
        each.source = each.source.replace("my-run", f"docs-{name}")
    results = doctest.DocTestRunner().run(test, out=lambda text: print(text, end=""))
    assert results.failed == 0


def _padded(dataset: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Samples of one length, for Trainer's own collator."""
    batch = pad([{k: v for k, v in each.items() if k != "text"} for each in dataset])
    return [{key: value[k] for key, value in batch.items()} for k in range(len(dataset))]
