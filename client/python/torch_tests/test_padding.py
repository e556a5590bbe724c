"""Padding on the left: right where nothing depends on it, found and refused otherwise."""

from __future__ import annotations

from typing import Any

import peft
import pytest
import torch
import transformers
from loop import gradients_alone, require_equal
from models import VOCABULARY, causal_batch, classification_batch, llama, randomize, roberta
from test_training import stored

import datainf

IDS = [0, 1, 2, 3]


def left_padded(batch: dict[str, Any]) -> dict[str, Any]:
    """Moves the padding of each row from the right to the left."""
    order = torch.argsort(batch["attention_mask"], dim=1, stable=True)
    return {k: torch.gather(v, 1, order) if v.dim() == 2 else v for k, v in batch.items()}


def left_padded_causal() -> dict[str, Any]:
    """A batch whose first tokens have no loss, and with positions that begin with 0."""
    batch = left_padded(causal_batch())
    mask = batch["attention_mask"]
    batch["labels"][torch.arange(len(mask)), mask.argmax(dim=1)] = -100
    return {**batch, "position_ids": (mask.cumsum(dim=1) - 1).clamp_min(0)}


def unpadded(batch: dict[str, Any]) -> list[dict[str, Any]]:
    lengths = batch["attention_mask"].sum(dim=1).tolist()
    return [
        {key: v[k : k + 1, -n:] if v.dim() == 2 else v[k : k + 1] for key, v in batch.items()}
        for k, n in enumerate(lengths)
    ]


def gpt2() -> Any:
    """Positions are absolute: padding on the left moves them unless they are given."""
    config = transformers.GPT2Config(
        vocab_size=VOCABULARY, n_embd=32, n_layer=2, n_head=4, n_positions=40,
        bos_token_id=0, eos_token_id=0,
    )  # fmt: skip
    lora = peft.LoraConfig(
        target_modules=["c_proj"], r=2, task_type="CAUSAL_LM", fan_in_fan_out=True
    )
    model = peft.get_peft_model(transformers.GPT2LMHeadModel(config), lora)
    randomize(model)
    return model.eval()


@pytest.mark.parametrize("make", [llama, gpt2], ids=["relative positions", "absolute positions"])
def test_gradients_with_left_padding(make: Any) -> None:
    model, batch = make(), left_padded_causal()
    with datainf.capture(model) as cap:
        gradients = cap.gradients(batch)
    alone = gradients_alone(model, cap.blocks, unpadded(batch))
    require_equal(f"left padding, {make.__name__}", gradients, alone, cap.blocks)


def test_watch_with_left_padding(client: datainf.Client, run_id: str) -> None:
    model, batch = llama().train(), left_padded_causal()
    capture = datainf.capture(model, run_id, client=client, estimator="during_training")
    with capture as cap:
        loss = model(**batch).loss
        cap.watch(IDS, batch, loss)
        loss.backward()
    assert cap.run is not None
    alone = gradients_alone(model.eval(), cap.blocks, unpadded(batch))
    require_equal("left padding, during training", stored(cap.run, IDS), alone, cap.blocks)


_MESSAGE = (
    "sample 3 of the batch, padded by 9 tokens on the left, .* pass position_ids that begin with 0"
    ".* label that token -100, .*; or pad on the right"
)


def test_first_token_predicted_by_padding_is_refused() -> None:
    with datainf.capture(llama()) as cap, pytest.raises(datainf.CaptureError, match=_MESSAGE):
        cap.gradients(left_padded(causal_batch()))


def test_positions_moved_by_padding_are_refused() -> None:
    batch = left_padded_causal()
    del batch["position_ids"]
    with datainf.capture(gpt2()) as cap, pytest.raises(datainf.CaptureError, match=_MESSAGE):
        cap.gradients(batch)


def test_class_token_moved_by_padding_is_refused(client: datainf.Client, run_id: str) -> None:
    model, batch = roberta(), left_padded(classification_batch())
    with datainf.capture(model) as cap, pytest.raises(datainf.CaptureError, match=_MESSAGE):
        cap.gradients(batch)
    model.train()
    capture = datainf.capture(model, run_id, client=client, estimator="during_training")
    with capture as cap, pytest.raises(datainf.CaptureError, match=_MESSAGE):
        cap.watch(IDS, batch, model(**batch).loss)


def test_left_padding_is_found_in_a_later_batch() -> None:
    with datainf.capture(llama()) as cap:
        cap.gradients(causal_batch())
        with pytest.raises(datainf.CaptureError, match=_MESSAGE):
            cap.gradients(left_padded(causal_batch()))
