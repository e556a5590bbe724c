"""From a model to scores, through the real server."""

from __future__ import annotations

import doctest
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from loop import gradients_alone, require_equal
from models import causal_batch, classification_batch, llama, randomize, roberta, unpadded
from reference import datainf_scores, worst_relative_error
from server_process import ServerProcess

import datainf
from datainf._torch.capture import Capture

README = Path(__file__).parents[1] / "README.md"


def test_scores_are_those_of_the_batch_of_one_loop(client: datainf.Client, run_id: str) -> None:
    model = roberta()
    batches = [classification_batch(seed=k) for k in range(5)]
    validation = classification_batch((8, 4), seed=9)
    with datainf.capture(model, run_id, client=client) as cap:
        for k, batch in enumerate(batches):
            cap.push(range(4 * k, 4 * k + 4), batch, steps=k)
        gradients = cap.gradients(validation)
    assert cap.run is not None
    result = cap.run.query(gradients)
    train = [unpadded(batch, k) for batch in batches for k in range(4)]
    alone = gradients_alone(model, cap.blocks, train)
    points = gradients_alone(model, cap.blocks, [unpadded(validation, k) for k in range(2)])
    expected = datainf_scores(
        alone.double().numpy(),
        points.double().numpy(),
        [block.dimension for block in cap.blocks],
    )
    assert result.ids[0].tolist() == list(range(20))
    assert worst_relative_error(result.scores, expected) < 1e-4


def test_push_leaves_out_ids_that_came_before(client: datainf.Client, run_id: str) -> None:
    model, batch = llama(), causal_batch()
    with datainf.capture(model, run_id, client=client) as cap:
        cap.push(torch.tensor([0, 1, 2, 3]), batch)
        cap.push([4, 1, 5, 5], causal_batch(seed=5))  # accelerate repeats ids in the middle
        cap.push([0, 1, 2, 3], batch)
        cap.flush()
        assert cap.repeated == 6
        assert cap.writer.stats().added_samples == 6
    assert client.run(run_id).sample_count == 6


def test_push_to_run_of_bfloat16(client: datainf.Client, run_id: str) -> None:
    model, batch = llama(), causal_batch()
    with datainf.capture(model, run_id, client=client, stored_dtype="bf16") as cap:
        cap.push([0, 1, 2, 3], batch)
        exact = cap.gradients(batch)
    assert cap.run is not None
    with cap.run.read_samples([0, 1, 2, 3]) as samples:
        bits = np.concatenate([chunk.gradients for chunk in samples])
    kept = torch.from_numpy((bits.astype(np.uint32) << 16).view(np.float32))
    require_equal("stored as bfloat16", kept, exact, cap.blocks, tolerance=2**-8)


def test_server_refuses_to_mix_checkpoints(client: datainf.Client, run_id: str) -> None:
    model, batch = llama(), causal_batch()
    with datainf.capture(model, run_id, client=client, checkpoint="epoch-1") as cap:
        cap.push([0, 1, 2, 3], batch)
    with pytest.raises(datainf.AlreadyExistsError, match="checkpoint"):
        datainf.capture(model, run_id, client=client, checkpoint="epoch-2")
    with (
        pytest.raises(datainf.FailedPreconditionError, match="checkpoint"),
        client.run(run_id).writer(checkpoint="epoch-2") as writer,
    ):
        writer.add([4], np.zeros((1, cap.dimension), np.float32))


def test_checkpoints_are_combined_by_learning_rates(client: datainf.Client, run_id: str) -> None:
    model, batch, validation = llama(), causal_batch(), causal_batch((7, 5), seed=4)
    results, expected = [], np.zeros((2, 4))
    rates = [1e-2, 5e-3]
    for epoch, rate in enumerate(rates):
        randomize(model)
        name = f"{run_id}-epoch-{epoch}"
        with datainf.capture(model, name, client=client, checkpoint=f"epoch-{epoch}") as cap:
            cap.push([3, 2, 1, 0] if epoch else [0, 1, 2, 3], _flipped(batch) if epoch else batch)
            points = cap.gradients(validation)
            train = cap.gradients(batch)
        results.append(client.run(name).query(points, method="hessian_free"))
        expected -= rate * (points.double() @ train.double().T).numpy()
    combined = datainf.combine_checkpoints(results, rates)
    assert combined.ids.tolist() == [0, 1, 2, 3]
    assert worst_relative_error(combined.scores, expected) < 1e-5


def _flipped(batch: dict[str, Any]) -> dict[str, Any]:
    return {key: value.flip(0) for key, value in batch.items()}


def _examples() -> list[Any]:
    finder = doctest.DocTestFinder(recurse=False)
    members = [datainf.capture, datainf.lora_blocks]
    members += [vars(Capture)[name] for name in ("gradients", "watch")]
    return [
        pytest.param(test, id=test.name)
        for member in members
        for test in finder.find(member, member.__qualname__, globs={})
    ]


def _loader(model: Any) -> Iterator[tuple[list[int], Any]]:
    del model
    for k in range(3):
        yield list(range(4 * k, 4 * k + 4)), causal_batch(seed=k)


@pytest.mark.parametrize("test", _examples())
def test_example_in_docstring_gives_what_it_shows(
    test: doctest.DocTest, client: datainf.Client, run_id: str
) -> None:
    model = llama()
    test.globs = {
        "datainf": datainf,
        "model": model,
        "client": client,
        "loader": list(_loader(model)),
        "validation_batch": causal_batch((6, 4), seed=9),
        "run": client.create_run(run_id, datainf.lora_blocks(model)),
    }
    assert test.examples
    results = doctest.DocTestRunner().run(test, out=lambda text: print(text, end=""))
    assert results.failed == 0


def test_import_does_not_import_torch() -> None:
    code = "import sys, datainf; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0  # noqa: S603


def test_readme_example_runs(server: ServerProcess, capsys: pytest.CaptureFixture[str]) -> None:
    text = README.read_text(encoding="utf-8").partition("## PyTorch")[2]
    code = re.findall(r"```python\n(.*?)```", text, re.DOTALL)[0]
    assert code.count("\n") <= 12, "it says that it is short"
    model = llama()
    names = {
        "model": model,
        "train_loader": list(_loader(model)),
        "validation_batch": causal_batch((6, 4), seed=9),
    }
    assert "unix:/tmp/datainf.sock" in code
    exec(code.replace("unix:/tmp/datainf.sock", server.target), names)  # noqa: S102
    assert capsys.readouterr().out
