"""Two processes with DistributedDataParallel: each streams its own samples."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import torch
from loop import gradients_alone, require_equal
from models import causal_batch, llama, unpadded
from torch import distributed, multiprocessing
from torch.nn.parallel import DistributedDataParallel

import datainf

_PROCESSES = 2
_SAMPLES = 7  # odd, so that the sampler repeats one


def _batches(rank: int) -> list[tuple[list[int], Any]]:
    """Batches of 2 as DistributedSampler deals them: one id comes to both processes."""
    dealt = [k % _SAMPLES for k in range(rank, _SAMPLES + _SAMPLES % _PROCESSES, _PROCESSES)]
    return [(dealt[k : k + 2], _batch(dealt[k : k + 2])) for k in range(0, len(dealt), 2)]


def _batch(ids: list[int]) -> Any:
    every = causal_batch((9, 5, 12, 3, 7, 4, 10))
    return {key: value[ids] for key, value in every.items()}


def _train(rank: int, folder: str, target: str, run_id: str, estimator: Any) -> None:
    distributed.init_process_group(
        "gloo", init_method=f"file://{folder}/rendezvous", rank=rank, world_size=_PROCESSES
    )
    torch.set_num_threads(1)
    torch.manual_seed(0)
    model = llama()
    wrapped = DistributedDataParallel(model)
    with (
        datainf.Client(target) as client,
        datainf.capture(wrapped, run_id, client=client, estimator=estimator) as cap,
    ):
        for ids, batch in _batches(rank):
            if estimator == "final":
                cap.push(ids, batch)
                continue
            loss = wrapped(**batch).loss
            cap.watch(ids, batch, loss)
            loss.backward()
    distributed.destroy_process_group()


def _require_stored(client: datainf.Client, run_id: str, case: str) -> None:
    run = client.run(run_id)
    assert run.sample_count == _SAMPLES
    with run.read_samples(range(_SAMPLES)) as samples:
        kept = torch.from_numpy(np.concatenate([chunk.gradients for chunk in samples]))
    torch.manual_seed(0)
    every = _batch(list(range(_SAMPLES)))
    alone = gradients_alone(llama(), run.blocks, [unpadded(every, k) for k in range(_SAMPLES)])
    require_equal(case, kept, alone, run.blocks)


def _spawn(*arguments: Any) -> None:
    os.environ["GLOO_SOCKET_IFNAME"] = "lo"
    multiprocessing.spawn(_train, arguments, nprocs=_PROCESSES)  # type: ignore[attr-defined]


def test_watch_in_two_processes(
    client: datainf.Client, server: Any, run_id: str, tmp_path: Any
) -> None:
    _spawn(str(tmp_path), server.target, run_id, "during_training")
    _require_stored(client, run_id, "DistributedDataParallel, 2 processes, during training")


def test_push_in_two_processes(
    client: datainf.Client, server: Any, run_id: str, tmp_path: Any
) -> None:
    _spawn(str(tmp_path), server.target, run_id, "final")
    _require_stored(client, run_id, "DistributedDataParallel, 2 processes, final parameters")
