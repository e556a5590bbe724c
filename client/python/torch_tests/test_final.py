"""Gradients at the final parameters, against the batch-of-one loop."""

from __future__ import annotations

from typing import Any

import diffusers
import peft
import pytest
import torch
import transformers
from loop import gradients_alone, require_equal
from models import (
    causal_batch,
    classification_batch,
    llama,
    randomize,
    roberta,
    unpadded,
)
from torch import nn
from torch.nn import functional as F  # noqa: N812  # its usual name
from torch.utils.checkpoint import checkpoint

import datainf


def test_gradients_of_classifier_with_padding_and_head() -> None:
    model, batch = roberta(), classification_batch()
    with datainf.capture(model, include=["classifier.out_proj.weight"]) as cap:
        gradients = cap.gradients(batch)
    assert cap.blocks[0] == datainf.Block(
        "base_model.model.roberta.encoder.layer.0.attention.self.value.lora_A.weight", 4, 32
    )
    assert cap.blocks[-1] == datainf.Block("base_model.model.classifier.out_proj.weight", 3, 32)
    alone = gradients_alone(model, cap.blocks, [unpadded(batch, k) for k in range(4)])
    require_equal("classifier, right padding, mask, head", gradients, alone, cap.blocks)
    assert all(parameter.grad is None for parameter in model.parameters())


def test_gradients_of_causal_model_with_token_mean() -> None:
    model, batch = llama(), causal_batch()
    with datainf.capture(model) as cap:
        gradients = cap.gradients(batch)
    assert {block.columns for block in cap.blocks} == {16, 32}
    alone = gradients_alone(model, cap.blocks, [unpadded(batch, k) for k in range(4)])
    require_equal("causal LM, token mean, grouped queries", gradients, alone, cap.blocks)


def test_gradients_with_num_items_in_batch() -> None:
    model, batch = llama(), causal_batch()
    with datainf.capture(model) as cap:
        gradients = cap.gradients({**batch, "num_items_in_batch": torch.tensor(77)})
    alone = gradients_alone(model, cap.blocks, [unpadded(batch, k) for k in range(4)])
    require_equal("causal LM, num_items_in_batch", gradients, alone, cap.blocks)


def test_gradients_of_masked_model_count_the_first_token() -> None:
    config = transformers.RobertaConfig(
        vocab_size=50, hidden_size=32, num_hidden_layers=1, num_attention_heads=4,
        intermediate_size=37, max_position_embeddings=40, pad_token_id=1,
    )  # fmt: skip
    model = peft.get_peft_model(
        transformers.RobertaForMaskedLM(config), peft.LoraConfig(target_modules=["query"], r=2)
    ).eval()
    randomize(model)
    batch = classification_batch()
    batch["labels"] = batch["input_ids"].masked_fill(batch["attention_mask"] == 0, -100)
    with datainf.capture(model) as cap:
        gradients = cap.gradients(batch)
    alone = gradients_alone(model, cap.blocks, [unpadded(batch, k) for k in range(4)])
    require_equal("masked LM, token mean", gradients, alone, cap.blocks)


def test_gradients_of_encoder_decoder() -> None:
    config = transformers.T5Config(  # type: ignore[call-arg]
        vocab_size=50, d_model=32, d_kv=8, d_ff=37, num_layers=1, num_heads=4,
        decoder_start_token_id=0, pad_token_id=0,
    )  # fmt: skip
    model = peft.get_peft_model(
        transformers.T5ForConditionalGeneration(config),
        peft.LoraConfig(target_modules=["q", "v"], r=2, task_type="SEQ_2_SEQ_LM"),
    ).eval()
    randomize(model)
    batch = causal_batch()
    with datainf.capture(model) as cap:
        gradients = cap.gradients(batch)
    alone = gradients_alone(model, cap.blocks, [unpadded(batch, k) for k in range(4)])
    require_equal("encoder-decoder, token mean", gradients, alone, cap.blocks)


@pytest.mark.parametrize("form", ["per sample", "mean", "sum"])
def test_gradients_of_own_loss(form: str) -> None:
    def own_loss(model: Any, batch: Any) -> torch.Tensor:
        logits = model(batch["input_ids"], attention_mask=batch["attention_mask"]).logits
        reduction = "none" if form == "per sample" else form
        return F.cross_entropy(logits, batch["labels"], reduction=reduction)

    model, batch = roberta(), classification_batch()
    reduction: Any = None if form == "per sample" else form
    with datainf.capture(model, loss=own_loss, reduction=reduction) as cap:
        gradients = cap.gradients(batch)
    alone = gradients_alone(model, cap.blocks, [unpadded(batch, k) for k in range(4)])
    require_equal(f"own loss, {form}", gradients, alone, cap.blocks)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_gradients_of_diffusers_model(dtype: torch.dtype) -> None:
    model: Any = diffusers.UNet2DConditionModel(
        sample_size=8, in_channels=4, out_channels=4, block_out_channels=(16, 16),
        layers_per_block=1, cross_attention_dim=16, attention_head_dim=8, norm_num_groups=4,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
    )  # fmt: skip
    model.requires_grad_(False)
    model.add_adapter(peft.LoraConfig(r=2, target_modules=["to_q", "to_k", "to_v", "to_out.0"]))
    randomize(model)
    model.eval().to(dtype)

    def loss(unet: Any, batch: Any) -> torch.Tensor:
        noisy, steps, text, noise = batch
        error = (unet(noisy, steps, text).sample - noise) ** 2
        return error.mean(dim=(1, 2, 3))  # type: ignore[no-any-return]

    batch = (
        torch.randn(3, 4, 8, 8, dtype=dtype), torch.tensor([25, 425, 925]),
        torch.randn(3, 5, 16, dtype=dtype), torch.randn(3, 4, 8, 8, dtype=dtype),
    )  # fmt: skip
    with datainf.capture(model, loss=loss) as cap:
        gradients = cap.gradients(batch)
    assert cap.blocks[0].name == (
        "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q.lora_A.weight"
    )
    samples = [tuple(part[k : k + 1] for part in batch) for k in range(3)]
    alone = gradients_alone(model, cap.blocks, samples, loss)
    require_equal(f"diffusers UNet, add_adapter, {dtype}", gradients, alone, cap.blocks)


def test_gradients_of_one_of_two_adapters() -> None:
    model, batch = llama(), causal_batch()
    model.add_adapter("second", peft.LoraConfig(r=2, target_modules=["k_proj", "v_proj"]))
    model.base_model.set_adapter(["default", "second"])
    randomize(model.eval())
    with pytest.raises(ValueError, match=r"active LoRA adapters are \['default', 'second'\]"):
        datainf.capture(model)
    with datainf.capture(model, adapter="second") as cap:
        gradients = cap.gradients(batch)
    assert {(b.rows, b.columns) for b in cap.blocks} == {(2, 32), (2, 16)}
    assert cap.blocks == datainf.lora_blocks(model, adapter="second")
    model.base_model.requires_grad_(False)
    for name, parameter in model.named_parameters():
        if ".second." in name:
            parameter.requires_grad_(True)
    alone = gradients_alone(model, cap.blocks, [unpadded(batch, k) for k in range(4)])
    require_equal("two adapters, by name", gradients, alone, cap.blocks)


def test_frozen_matrices_are_no_blocks() -> None:
    model, batch = llama(), causal_batch()
    for name, parameter in model.named_parameters():
        if "lora_A" in name:
            parameter.requires_grad_(False)
    with datainf.capture(model) as cap:
        gradients = cap.gradients(batch)
    assert all("lora_B" in block.name for block in cap.blocks)
    alone = gradients_alone(model, cap.blocks, [unpadded(batch, k) for k in range(4)])
    require_equal("lora_A frozen", gradients, alone, cap.blocks)


class _Small(nn.Module):
    """Two linear layers; the first is used twice, the last changes its output in place."""

    def __init__(self, *, reentrant: bool | None = None) -> None:
        super().__init__()
        self.first = nn.Linear(6, 6)
        self.head = nn.Linear(6, 3)
        self.unused = nn.Linear(6, 3)
        self.reentrant = reentrant

    def body(self, x: torch.Tensor) -> torch.Tensor:
        once = self.first(x).relu_()
        return F.relu(self.head(self.first(once)), inplace=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.reentrant is None:
            return self.body(x)
        result: torch.Tensor = checkpoint(
            self.body, x.requires_grad_(), use_reentrant=self.reentrant
        )
        return result


def _small_loss(model: Any, batch: Any) -> torch.Tensor:
    x, y = batch
    error: torch.Tensor = (model(x) - y).square()
    return error.flatten(1).mean(dim=1)


@pytest.mark.parametrize("shape", [(6,), (4, 6), (2, 4, 6)], ids=str)
@pytest.mark.parametrize("reentrant", [None, False], ids=["plain", "non-reentrant checkpoint"])
def test_gradients_of_shared_unused_and_in_place_layers(
    shape: tuple[int, ...], reentrant: bool | None
) -> None:
    model = _Small(reentrant=reentrant).eval()
    batch = torch.randn(3, *shape), torch.randn(3, *shape[:-1], 3)
    names = ["first.weight", "head.weight", "unused.weight"]
    with datainf.capture(model, include=names, loss=_small_loss) as cap:
        gradients = cap.gradients(batch)
    assert cap.blocks[1] == datainf.Block("head.weight", 3, 6)
    samples = [(batch[0][k : k + 1].detach(), batch[1][k : k + 1]) for k in range(3)]
    alone = gradients_alone(model, cap.blocks, samples, _small_loss)
    require_equal(
        f"shared, unused, in place, {shape}, checkpoint {reentrant}", gradients, alone, cap.blocks
    )
    assert not gradients[:, -18:].any()


def test_reentrant_checkpoint_is_refused_at_final_parameters() -> None:
    model = _Small(reentrant=True).eval()
    batch = torch.randn(3, 6), torch.randn(3, 3)
    with (
        datainf.capture(model, include=["head.weight"], loss=_small_loss) as cap,
        pytest.raises(ValueError, match="'use_reentrant': False"),
    ):
        cap.gradients(batch)


def test_gradients_of_weights_tied_between_linear_modules() -> None:
    model = nn.Sequential(nn.Linear(6, 6), nn.Tanh(), nn.Linear(6, 6)).eval()
    model[2].weight = model[0].weight
    batch = torch.randn(3, 6), torch.randn(3, 6)
    with datainf.capture(model, include=["0.weight"], loss=_small_loss) as cap:
        gradients = cap.gradients(batch)
    samples = [(batch[0][k : k + 1], batch[1][k : k + 1]) for k in range(3)]
    alone = gradients_alone(model, cap.blocks, samples, _small_loss)
    require_equal("weight tied between two modules", gradients, alone, cap.blocks)


def test_gradients_of_flattened_tokens() -> None:
    class Flattened(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(6, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            output: torch.Tensor = self.linear(x.reshape(-1, 6))
            return output.reshape(len(x), -1, 3)

    model = Flattened().eval()
    batch = torch.randn(3, 4, 6), torch.randn(3, 4, 3)
    with datainf.capture(model, include=["linear.weight"], loss=_small_loss) as cap:
        gradients = cap.gradients(batch)
    samples = [(batch[0][k : k + 1], batch[1][k : k + 1]) for k in range(3)]
    alone = gradients_alone(model, cap.blocks, samples, _small_loss)
    require_equal("tokens flattened into rows", gradients, alone, cap.blocks)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.bfloat16, 5e-2), (torch.float16, 5e-3)])
def test_gradients_under_autocast(dtype: torch.dtype, tolerance: float) -> None:
    model, batch = llama(), causal_batch()
    with torch.autocast("cpu", dtype), datainf.capture(model) as cap:
        gradients = cap.gradients(batch)
    alone = gradients_alone(model, cap.blocks, [unpadded(batch, k) for k in range(4)])
    require_equal(
        f"autocast {dtype}, against float32", gradients, alone, cap.blocks, tolerance=tolerance
    )


def test_gradients_of_bfloat16_model() -> None:
    model, batch = llama(), causal_batch()
    with datainf.capture(model) as cap:
        exact = cap.gradients(batch)
    with datainf.capture(model.to(torch.bfloat16)) as cap:
        gradients = cap.gradients(batch)
    require_equal("bfloat16 weights, against float32", gradients, exact, cap.blocks, tolerance=5e-2)


def test_gradients_leave_grad_of_parameters() -> None:
    model, batch = llama(), causal_batch()
    model(**batch).loss.backward()
    before = {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}
    with datainf.capture(model) as cap:
        cap.gradients(batch)
    assert before
    for name, parameter in model.named_parameters():
        assert (parameter.grad is None) == (name not in before)
        assert parameter.grad is None or torch.equal(parameter.grad, before[name])
