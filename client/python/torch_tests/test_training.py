"""Gradients taken from the trainer's own backward passes, against the batch-of-one loop."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
import torch
from loop import TOLERANCE, gradients_alone, require_equal
from models import causal_batch, classification_batch, llama, roberta, unpadded
from torch import nn

import datainf


def stored(run: datainf.Run, ids: list[int]) -> torch.Tensor:
    """Returns the samples that the server holds, float32, [k, D], in the order of `ids`."""
    with run.read_samples(ids) as samples:
        return torch.from_numpy(np.concatenate([chunk.gradients for chunk in samples]))


def count_calls(model: nn.Module, name: str) -> list[str]:
    calls: list[str] = []
    module = next(m for n, m in model.named_modules() if n.endswith(name))
    module.register_forward_hook(lambda *_: calls.append(name))
    return calls


class _Trained:
    """A capture of training without dropout, whose samples are compared one step later."""

    def __init__(self, client: datainf.Client, run_id: str, model: Any, **options: Any) -> None:
        self.model = model
        self.cap = datainf.capture(
            model, run_id, client=client, estimator="during_training", **options
        )

    def require(self, case: str, batches: list[Any], tolerance: float = TOLERANCE) -> None:
        self.model.eval()
        samples = [unpadded(batch, k) for batch in batches for k in range(len(batch["labels"]))]
        alone = gradients_alone(self.model, self.cap.blocks, samples)
        assert self.cap.run is not None
        kept = stored(self.cap.run, list(range(len(samples))))
        require_equal(case, kept, alone, self.cap.blocks, tolerance)


@pytest.mark.parametrize("reentrant", [False, True])
def test_watch_with_gradient_checkpointing(
    client: datainf.Client, run_id: str, reentrant: bool
) -> None:
    model = llama()
    model.enable_input_require_grads()
    model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": reentrant})
    model.train()
    calls = count_calls(model, "layers.1.self_attn.q_proj")
    trained = _Trained(client, run_id, model)
    batches = [causal_batch(), causal_batch((4, 8), seed=2)]
    with trained.cap as cap:
        for ids, batch in zip([[0, 1, 2, 3], [4, 5]], batches, strict=True):
            loss = model(**batch).loss
            cap.watch(ids, batch, loss)
            del calls[:]
            loss.backward()
            assert calls, "the backward pass computes activations again"
    trained.require(f"gradient checkpointing, use_reentrant={reentrant}", batches)


def test_watch_with_accumulation_and_evaluation_between(
    client: datainf.Client, run_id: str
) -> None:
    model = llama().train()
    trained = _Trained(client, run_id, model)
    batches = [causal_batch(), causal_batch((4, 8), seed=2)]
    with trained.cap as cap:
        for ids, batch in zip([[0, 1, 2, 3], [4, 5]], batches, strict=True):
            loss = model(**batch).loss
            cap.watch(ids, batch, loss, steps=7)
            (loss / len(batches)).backward()
            with torch.no_grad():
                model(**batch)
        revision = cap.flush()
    trained.require("gradient accumulation", batches)
    assert revision == 6


def test_watch_leaves_gradients_of_training_as_they_are(
    client: datainf.Client, run_id: str
) -> None:
    model, batch = roberta().train(), classification_batch()

    def one_step(cap: Any) -> list[torch.Tensor]:
        torch.manual_seed(3)
        model.zero_grad()
        loss = model(**batch).loss
        if cap is not None:
            cap.watch([0, 1, 2, 3], batch, loss)
        loss.backward()
        assert model.training
        return [p.grad.clone() for p in model.parameters() if p.grad is not None]

    plain = one_step(None)
    with datainf.capture(model, run_id, client=client, estimator="during_training") as cap:
        watched = one_step(cap)
    assert all(torch.equal(a, b) for a, b in zip(plain, watched, strict=True))


def test_watch_takes_the_head_that_is_trained_beside(client: datainf.Client, run_id: str) -> None:
    model, batch = roberta().train(), classification_batch()
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0  # the batch-of-one loop draws anew
    trained = _Trained(client, run_id, model, include=["classifier.out_proj.weight"])
    with trained.cap as cap:
        loss = model(**batch).loss
        cap.watch([0, 1, 2, 3], batch, loss)
        loss.backward()
    assert any(block.name.endswith("classifier.out_proj.weight") for block in trained.cap.blocks)
    trained.require("modules_to_save during training", [batch])


def test_watch_with_num_items_and_number_of_processes(client: datainf.Client, run_id: str) -> None:
    model = llama().train()
    trained = _Trained(client, run_id, model)
    batch = causal_batch()
    with trained.cap as cap:
        given = {**batch, "num_items_in_batch": 55}
        loss = model(**given).loss
        cap.watch([0, 1, 2, 3], given, loss)
        (loss * 2).backward()  # as Trainer does with average_tokens_across_devices and 2 processes
    trained.require("num_items_in_batch, average_tokens_across_devices", [batch])


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float16, 5e-3), (torch.bfloat16, 5e-2)])
def test_watch_with_grad_scaler_and_autocast(
    client: datainf.Client, run_id: str, dtype: torch.dtype, tolerance: float
) -> None:
    model = llama().train()
    trained = _Trained(client, run_id, model)
    batch = causal_batch()
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.0)
    with trained.cap as cap:
        with torch.autocast("cpu", dtype):
            loss = model(**batch).loss
        cap.watch([0, 1, 2, 3], batch, loss)
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
    trained.require(f"GradScaler, {dtype}, against float32", [batch], tolerance)


def test_watch_of_losses_of_samples_divides_by_their_weights(
    client: datainf.Client, run_id: str
) -> None:
    def losses(model: Any, batch: Any) -> torch.Tensor:
        logits = model(batch["input_ids"], attention_mask=batch["attention_mask"]).logits
        return nn.functional.cross_entropy(logits, batch["labels"], reduction="none")

    model, batch = roberta().train(), classification_batch()
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    trained = _Trained(client, run_id, model, loss=losses)
    with trained.cap as cap:
        each = losses(model, batch)
        cap.watch([0, 1, 2, 3], batch, each)
        (each * torch.tensor([1.0, 2.0, 0.5, 3.0])).mean().backward()
    trained.require("losses of samples, weighted by the trainer", [batch])


def test_watch_rejects_what_overflowed_and_goes_on(client: datainf.Client, run_id: str) -> None:
    model, batch = llama().train(), causal_batch()
    with datainf.capture(model, run_id, client=client, estimator="during_training") as cap:
        loss = model(**batch).loss
        cap.watch([0, 1, 2, 3], batch, loss)
        (loss * torch.finfo(torch.float32).max * 1e3).backward()
        loss = model(**batch).loss
        cap.watch([4, 5, 6, 7], batch, loss)
        loss.backward()
        cap.flush()
        assert {each.sample_id for each in cap.writer.rejected} == {0, 1, 2, 3}
    assert client.run(run_id).sample_count == 4


@pytest.mark.parametrize("factor", [1 / 4, 1 / 2, 0.95, 2, 12], ids=str)
def test_watch_refuses_a_loss_that_was_scaled_in_spite_of_dropout(
    client: datainf.Client, run_id: str, factor: float
) -> None:
    model, batch = roberta().train(), classification_batch()
    with datainf.capture(model, run_id, client=client, estimator="during_training") as cap:
        loss = model(**batch).loss * factor
        with pytest.raises(
            datainf.CaptureError,
            match=rf"is {factor:.6g}\d* times .* give the loss before it is divided or scaled",
        ):
            cap.watch([0, 1, 2, 3], batch, loss)


def test_watch_of_a_sum_given_as_mean_is_refused(client: datainf.Client, run_id: str) -> None:
    def total(model: Any, batch: Any) -> torch.Tensor:
        return model(**batch).loss * len(batch["labels"])  # type: ignore[no-any-return]

    model, batch = roberta().train(), classification_batch()
    capture = datainf.capture(
        model, run_id, client=client, estimator="during_training", loss=total, reduction="sum"
    )
    with capture as cap, pytest.raises(datainf.CaptureError, match=r"is 0\.25 times"):
        cap.watch([0, 1, 2, 3], batch, model(**batch).loss)


@pytest.mark.parametrize(
    "draws",
    [lambda: float(torch.rand(())), np.random.random, random.random],
    ids=["torch", "numpy", "python"],
)
def test_watch_accepts_random_layers_of_any_generator(
    client: datainf.Client, run_id: str, draws: Any
) -> None:
    class Noisy(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(4, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            y: torch.Tensor = self.linear(x)
            if not self.training:
                return y
            return y.mul(10 * draws())

    def losses(model: Any, x: Any) -> torch.Tensor:
        return model(x).square().mean(dim=1)  # type: ignore[no-any-return]

    model, x = Noisy(), torch.randn(5, 4)
    capture = datainf.capture(
        model,
        run_id,
        client=client,
        include=["linear.weight"],
        loss=losses,
        estimator="during_training",
    )
    with capture as cap:
        each, drawn = losses(model, x), draws()
        cap.watch(range(5), x, each)
        assert draws() != drawn, "the generator goes on"
        each.sum().backward()
    assert client.run(run_id).sample_count == 5


def test_watch_refuses_a_forgotten_backward_pass(client: datainf.Client, run_id: str) -> None:
    model, batch = llama().train(), causal_batch()
    capture = datainf.capture(model, run_id, client=client, estimator="during_training")
    with capture as cap:
        cap.watch([0, 1, 2, 3], batch, model(**batch).loss)
        with pytest.raises(RuntimeError, match=r"ids \[0, 1, 2\]... has not run"):
            model(**batch)


def test_watch_refuses_batch_norm_in_train_mode(client: datainf.Client, run_id: str) -> None:
    model = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3), nn.Linear(3, 1))
    x = torch.randn(5, 4)
    capture = datainf.capture(
        model,
        run_id,
        client=client,
        include=["0.weight"],
        estimator="during_training",
        loss=lambda m, batch: m(batch).flatten(),
    )
    with capture as cap, pytest.raises(ValueError, match="1, a BatchNorm1d in train mode"):
        cap.watch(range(5), x, model(x).flatten())
