"""Hugging Face's Trainer in two processes, started by accelerate."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from loop import gradients_alone, require_equal
from models import llama
from server_process import ServerProcess
from test_training import stored
from trainers import alone, samples, without_dropout

import datainf

_HERE = Path(__file__).parent


def _launch(*arguments: str) -> None:
    """Starts `launched.py` as `accelerate launch` does for several processes of one machine."""
    paths = [*sys.path, str(_HERE), str(_HERE.parent / "tests")]
    environment = {
        **os.environ,
        "ACCELERATE_USE_CPU": "true",
        "GLOO_SOCKET_IFNAME": "lo",
        "PYTHONPATH": os.pathsep.join(paths),
    }
    launch = ["-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2"]
    launch += ["--num_machines", "1", "--mixed_precision", "no", "--dynamo_backend", "no"]
    launch += ["--main_process_port", "0", str(_HERE / "launched.py")]
    subprocess.run([sys.executable, *launch, *arguments], env=environment, check=True)  # noqa: S603


@pytest.mark.parametrize(
    "options",
    [
        {"average_tokens_across_devices": True, "gradient_accumulation_steps": 2},
        {"average_tokens_across_devices": False},
    ],
    ids=["average_tokens", "own_tokens"],
)
def test_two_processes(
    client: datainf.Client,
    server: ServerProcess,
    run_id: str,
    tmp_path: Path,
    options: dict[str, Any],
) -> None:
    _launch(server.target, run_id, str(tmp_path), json.dumps(options))
    first, second = (json.loads((tmp_path / f"{k}.json").read_text()) for k in range(2))
    assert first["processes"] == 2
    assert "1000000" in first.pop("failure")
    assert "the main process failed: InvalidArgumentError" in second.pop("failure")
    assert first == second

    torch.manual_seed(0)
    model = without_dropout(llama())
    run, epoch = client.run(run_id), client.run(f"{run_id}-epoch-0")
    train = gradients_alone(model, run.blocks, alone(samples()))
    for name, each in (("final pass", run), ("during training", epoch)):
        assert each.sample_count == 7
        case = f"Trainer, 2 processes, {name}, {next(iter(options.items()))}"
        require_equal(case, stored(each, list(range(7))), train, run.blocks)
    points = gradients_alone(model, run.blocks, alone(samples((8, 4, 6, 5, 7), seed=9)))
    expected = run.query(points.numpy(), ids=first["ids"]).scores
    np.testing.assert_allclose(first["scores"], expected, rtol=1e-5)
