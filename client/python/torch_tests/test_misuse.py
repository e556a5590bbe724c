"""Capture used in a way that cannot work: the sentence says what to do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from models import causal_batch, classification_batch, llama, roberta
from torch import distributed, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from trainers import InfluenceTrainer, arguments, pad, samples

import datainf

IDS = [0, 1, 2, 3]


@pytest.fixture
def training(client: datainf.Client, run_id: str) -> Any:
    """A Llama in train mode, and its capture during training."""
    model = llama().train()
    return model, datainf.capture(model, run_id, client=client, estimator="during_training")


def test_push_during_training_is_refused(training: Any) -> None:
    _, capture = training
    with capture as cap, pytest.raises(RuntimeError, match=r"call watch\(ids, batch, loss\)"):
        cap.push(IDS, causal_batch())


def test_watch_at_final_parameters_is_refused(client: datainf.Client, run_id: str) -> None:
    model, batch = llama(), causal_batch()
    with (
        datainf.capture(model, run_id, client=client) as cap,
        pytest.raises(RuntimeError, match=r"'during_training'\): use that, or push\(ids, batch\)"),
    ):
        cap.watch(IDS, batch, model(**batch).loss)


def test_watch_without_forward_pass_within_is_refused(training: Any) -> None:
    model, capture = training
    batch = causal_batch()
    loss = model(**batch).loss  # before the hooks are there
    with (
        capture as cap,
        pytest.raises(RuntimeError, match=r"call the model, then watch\(.*backward"),
    ):
        cap.watch(IDS, batch, loss)


def test_second_watch_of_one_forward_pass_is_refused(training: Any) -> None:
    model, capture = training
    batch = causal_batch()
    with capture as cap:
        loss = model(**batch).loss
        cap.watch(IDS, batch, loss)
        with pytest.raises(RuntimeError, match="without a forward pass of the model before"):
            cap.watch(IDS, batch, loss)
        loss.backward()


def test_backward_pass_without_watch_is_refused(training: Any) -> None:
    model, capture = training
    with capture, pytest.raises(RuntimeError, match="call watch for each forward pass, or do"):
        model(**causal_batch()).loss.backward()


def test_watch_of_loss_without_grad_is_refused(training: Any) -> None:
    model, capture = training
    batch = causal_batch()
    with capture as cap, pytest.raises(ValueError, match="do not detach it"):
        cap.watch(IDS, batch, model(**batch).loss.detach())


def test_samples_weighted_by_zero_are_refused(client: datainf.Client, run_id: str) -> None:
    def losses(model: Any, x: Any) -> torch.Tensor:
        return model(x).square().mean(dim=1)  # type: ignore[no-any-return]

    model, x = nn.Sequential(nn.Linear(4, 3)), torch.randn(3, 4)
    capture = datainf.capture(
        model,
        run_id,
        client=client,
        include=["0.weight"],
        estimator="during_training",
        loss=losses,
    )
    with capture as cap:
        each = losses(model, x)
        cap.watch([5, 6, 7], x, each)
        (each * torch.tensor([1.0, 0.0, 2.0])).sum().backward()
        with pytest.raises(
            ValueError, match=r"positions \[1\] .* leave these samples out of watch"
        ):
            cap.flush()


def test_batch_of_several_lengths_is_refused() -> None:
    batch = {**causal_batch(), "weights": torch.ones(3)}
    with (
        datainf.capture(llama()) as cap,
        pytest.raises(ValueError, match=r"lengths \[3, 4\].*pass only what has one entry a sample"),
    ):
        cap.gradients(batch)


def test_packed_positions_are_refused() -> None:
    packed = {**causal_batch((6,)), "position_ids": torch.tensor([[0, 1, 2, 0, 1, 2]])}
    with (
        datainf.capture(llama()) as cap,
        pytest.raises(ValueError, match=r"position_ids begin anew within row 0.* do not pack"),
    ):
        cap.gradients(packed)


def test_model_that_returns_no_loss_is_refused() -> None:
    batch = {key: value for key, value in classification_batch().items() if key != "labels"}
    with datainf.capture(roberta()) as cap, pytest.raises(TypeError, match="has the batch labels"):
        cap.gradients(batch)


def test_loss_of_another_model_is_refused() -> None:
    other = llama()
    with (
        datainf.capture(llama(), loss=lambda _model, batch: other(**batch).loss) as cap,
        pytest.raises((ValueError, RuntimeError), match="call the model itself"),
    ):
        cap.gradients(causal_batch())


def test_detached_loss_is_refused() -> None:
    def loss(model: Any, batch: Any) -> torch.Tensor:
        return model(**batch).loss.detach()  # type: ignore[no-any-return]

    with (
        datainf.capture(llama(), loss=loss) as cap,
        pytest.raises(ValueError, match="call the model within `loss`, without"),
    ):
        cap.gradients(causal_batch())


def test_token_mean_without_labels_of_tokens_is_refused() -> None:
    with (
        datainf.capture(roberta(), reduction="token_mean") as cap,
        pytest.raises(ValueError, match=r"needs batch\['labels'\], integers of shape \[B, T\]"),
    ):
        cap.gradients(classification_batch())


def test_adapter_of_a_model_without_lora_is_refused() -> None:
    with pytest.raises(ValueError, match="'default', but the model has no LoRA layers"):
        datainf.capture(llama(tune=False), adapter="default", include=["lm_head.weight"])


def test_sharded_model_is_refused(tmp_path: Path) -> None:
    distributed.init_process_group(
        "gloo", init_method=f"file://{tmp_path}/rendezvous", rank=0, world_size=1
    )
    try:
        mesh = init_device_mesh("cpu", (1,))
        model = nn.Sequential(nn.Linear(4, 4))
        fully_shard(model, mesh=mesh)
        with pytest.raises(ValueError, match=r"0.weight is sharded .* DistributedDataParallel"):
            datainf.capture(model, include=["0.weight"])
    finally:
        distributed.destroy_process_group()


def test_compiled_training_of_a_trainer_is_refused(
    client: datainf.Client, run_id: str, tmp_path: Path
) -> None:
    callback = datainf.DataInfCallback(client, run_id, estimator="during_training")
    trainer = InfluenceTrainer(
        model=llama(),
        args=arguments(tmp_path),
        train_dataset=samples(),
        data_collator=pad,
        callbacks=[callback],
    )
    trainer.args.torch_compile = True
    with pytest.raises(ValueError, match=r"torch_compile is True .* or use estimator='final'"):
        trainer.train()
    with pytest.raises(RuntimeError, match=r"no epoch is being captured: use trainer.train\(\)"):
        _ = callback.capture


def test_trainer_without_training_set_is_refused(
    client: datainf.Client, run_id: str, tmp_path: Path
) -> None:
    trainer = InfluenceTrainer(
        model=llama(),
        args=arguments(tmp_path),
        data_collator=pad,
        callbacks=[datainf.DataInfCallback(client, run_id)],
    )
    with pytest.raises(TypeError, match="the data set is None, expected one of mappings"):
        trainer.push_training_set()
