"""What cannot be captured is refused with a sentence that says what to do."""

from __future__ import annotations

from typing import Any

import peft
import pytest
import torch
from models import causal_batch, classification_batch, llama, randomize, roberta
from torch import nn
from torch.nn import functional as F  # noqa: N812  # its usual name

import datainf

MATCHES: dict[str, tuple[dict[str, Any], str]] = {
    "dora": (
        {"use_dora": True},
        r"q_proj uses the LoRA variant Dora, .* train with plain LoRA \(use_dora=False\)",
    ),
    "embedding": (
        {"target_modules": ["q_proj", "embed_tokens"]},
        "embed_tokens is an embedding with LoRA.* leave it out of target_modules",
    ),
}


@pytest.mark.parametrize("case", MATCHES)
def test_kind_of_lora_is_refused(case: str) -> None:
    options, message = MATCHES[case]
    with pytest.raises(ValueError, match=message):
        datainf.capture(llama(**options))


def test_convolution_is_refused() -> None:
    model = peft.get_peft_model(
        nn.Sequential(nn.Conv2d(3, 4, 1)), peft.LoraConfig(target_modules=["0"], r=2)
    )
    with pytest.raises(ValueError, match=r"LoRA of Conv2d.* leave convolutions out"):
        datainf.capture(model)


def test_merged_adapter_is_refused() -> None:
    model = llama()
    model.merge_adapter()
    with pytest.raises(ValueError, match=r"merged: call model.unmerge_adapter\(\) before"):
        datainf.capture(model)


def test_disabled_adapter_is_refused() -> None:
    model = llama()
    with model.disable_adapter(), pytest.raises(ValueError, match="has its adapter disabled"):
        datainf.capture(model)


def test_adapter_that_is_unknown_or_not_active_is_refused() -> None:
    model = llama()
    model.add_adapter("second", peft.LoraConfig(r=2, target_modules=["k_proj"]))
    with pytest.raises(ValueError, match=r"'third', expected one of \['default', 'second'\]"):
        datainf.capture(model, adapter="third")
    with pytest.raises(ValueError, match=r"call model.set_adapter\('second'\) before"):
        datainf.capture(model, adapter="second")


def test_adapter_loaded_for_inference_is_refused(tmp_path: Any) -> None:
    llama().save_pretrained(tmp_path)
    model = peft.PeftModel.from_pretrained(llama(tune=False), tmp_path)
    with pytest.raises(ValueError, match="is_trainable=True"):
        datainf.capture(model)
    model = peft.PeftModel.from_pretrained(llama(tune=False), tmp_path, is_trainable=True)
    assert datainf.lora_blocks(model) == datainf.lora_blocks(llama())


def test_model_without_lora_is_refused() -> None:
    with pytest.raises(ValueError, match=r"no LoRA matrices: apply LoRA by PEFT, or .* include="):
        datainf.capture(llama(tune=False))


def test_include_of_unknown_frozen_and_tied_weights_is_refused() -> None:
    model = llama()
    with pytest.raises(ValueError, match=r"'q_prj.weight', which is no weight .* near are \['base"):
        datainf.capture(model, include=["q_prj.weight"])
    with pytest.raises(ValueError, match=r"lm_head.weight', which is frozen"):
        datainf.capture(model, include=["lm_head.weight"])
    plain = llama(tune=False)
    plain.lm_head.weight = plain.model.embed_tokens.weight
    with pytest.raises(ValueError, match=r"tied to model.embed_tokens, a Embedding.* untie"):
        datainf.capture(plain, include=["lm_head.weight"])
    with pytest.raises(ValueError, match=r"expected a sequence of names: \['head.weight'\]"):
        datainf.capture(plain, include="head.weight")


def test_train_mode_is_refused() -> None:
    with (
        datainf.capture(roberta().train()) as cap,
        pytest.raises(ValueError, match=r"is in train mode, .* call model.eval\(\)"),
    ):
        cap.gradients(classification_batch())


def test_wrapped_models_are_refused() -> None:
    with pytest.raises(ValueError, match="use DistributedDataParallel"):
        datainf.capture(nn.DataParallel(llama()))
    with pytest.raises(ValueError, match=r"model._orig_mod"):
        datainf.capture(torch.compile(llama()))  # type: ignore[arg-type]


def test_packed_samples_are_refused(client: datainf.Client, run_id: str) -> None:
    packed = causal_batch((12,))
    with datainf.capture(llama(), run_id, client=client) as cap:
        with pytest.raises(ValueError, match=r"3 ids for a batch of 1 samples.* do not pack"):
            cap.push([1, 2, 3], packed)
        with pytest.raises(ValueError, match=r"cu_seq_lens_q.* do not pack"):
            cap.gradients({**packed, "cu_seq_lens_q": torch.tensor([0, 5, 12])})


def test_loss_of_wrong_shape_is_refused() -> None:
    def token_losses(model: Any, batch: Any) -> torch.Tensor:
        logits = model(batch["input_ids"], attention_mask=batch["attention_mask"]).logits
        return F.cross_entropy(logits.transpose(1, 2), batch["labels"], reduction="none")

    with (
        datainf.capture(llama(), loss=token_losses) as cap,
        pytest.raises(ValueError, match=r"shape \[4, 12\], expected \[4\], one loss a sample"),
    ):
        cap.gradients(causal_batch())


def test_scalar_loss_without_labels_is_refused() -> None:
    model = nn.Sequential(nn.Linear(4, 1))
    capture = datainf.capture(model.eval(), include=["0.weight"], loss=lambda m, x: m(x).mean())
    with capture as cap, pytest.raises(ValueError, match="reduction='mean'"):
        cap.gradients(torch.randn(3, 4))


def test_sample_without_labelled_tokens_is_refused() -> None:
    batch = causal_batch()
    batch["labels"][2] = -100
    with (
        datainf.capture(llama()) as cap,
        pytest.raises(ValueError, match=r"positions \[2\] .* no token with a label"),
    ):
        cap.gradients(batch)


def test_loss_under_no_grad_is_refused() -> None:
    def loss(model: Any, batch: Any) -> torch.Tensor:
        with torch.no_grad():
            return model(**batch).loss  # type: ignore[no-any-return]

    with (
        datainf.capture(llama(), loss=loss) as cap,
        pytest.raises(ValueError, match=r"called without grad: by torch.no_grad\(\)"),
    ):
        cap.gradients(causal_batch())


# The check of the first batch.


def test_check_measures_factor_of_forgotten_mean() -> None:
    with (
        datainf.capture(roberta(), reduction="sum") as cap,
        pytest.raises(ValueError, match=r"is 0\.25\d* times .* expected is reduction='mean'"),
    ):
        cap.gradients(classification_batch())


@pytest.mark.parametrize("wrong", ["mean", "sum", "token_mean"])
def test_check_finds_wrong_reduction_of_tokens(wrong: Any) -> None:
    with (
        datainf.capture(llama(), reduction=wrong) as cap,
        pytest.raises(ValueError, match="expected is reduction='causal_token_mean'"),
    ):
        cap.gradients(causal_batch())


def test_check_waits_for_samples_of_unequal_lengths() -> None:
    with datainf.capture(llama(), reduction="mean") as cap:
        cap.gradients(causal_batch((6, 6)))  # here both reductions are the same
        with pytest.raises(ValueError, match="expected is reduction='causal_token_mean'"):
            cap.gradients(causal_batch((6, 4)))


def test_check_finds_model_that_ignores_num_items() -> None:
    def loss(model: Any, batch: Any) -> torch.Tensor:
        return model(**{k: v for k, v in batch.items() if k != "num_items_in_batch"}).loss  # type: ignore[no-any-return]

    with (
        datainf.capture(llama(), loss=loss) as cap,
        pytest.raises(ValueError, match="times the one it has alone"),
    ):
        cap.gradients({**causal_batch(), "num_items_in_batch": 77})


def test_check_finds_samples_that_influence_each_other() -> None:
    def contrast(model: Any, batch: Any) -> torch.Tensor:
        output = model(batch)
        return F.cross_entropy(output @ output.T, torch.arange(len(batch)), reduction="none")

    model = nn.Sequential(nn.Linear(4, 4)).eval()
    with (
        datainf.capture(model, include=["0.weight"], loss=contrast) as cap,
        pytest.raises(ValueError, match="Samples that influence each other"),
    ):
        cap.gradients(torch.randn(3, 4))


def test_check_finds_random_losses() -> None:
    def noisy(model: Any, batch: Any) -> torch.Tensor:
        return (model(batch) - torch.randn(len(batch), 4)).square().mean(dim=1)  # type: ignore[no-any-return]

    model = nn.Sequential(nn.Linear(4, 4)).eval()
    with (
        datainf.capture(model, include=["0.weight"], loss=noisy) as cap,
        pytest.raises(ValueError, match="noise that is part of the batch"),
    ):
        cap.gradients(torch.randn(3, 4))


def test_check_finds_weights_used_without_their_module() -> None:
    class Direct(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one = nn.Linear(4, 4)
            self.two = nn.Linear(4, 1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            output: torch.Tensor = self.two(F.linear(x, self.one.weight))
            return output.flatten()

    model = Direct().eval()
    names = ["one.weight", "two.weight"]
    with (
        datainf.capture(model, include=names, loss=lambda m, x: m(x)) as cap,
        pytest.raises(ValueError, match=r"most in one.weight\)"),
    ):
        cap.gradients(torch.randn(3, 4))


def test_input_without_one_entry_a_sample_is_refused() -> None:
    class Broadcast(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one = nn.Linear(4, 4)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            output: torch.Tensor = (x * self.one(torch.ones(1, 4))).sum(dim=1)
            return output

    model = Broadcast().eval()
    with (
        datainf.capture(model, include=["one.weight"], loss=lambda m, x: m(x)) as cap,
        pytest.raises(ValueError, match=r"one.weight was given an input of shape \[1, 4\], exp"),
    ):
        cap.gradients(torch.randn(3, 4))


# The run.


def test_run_with_other_blocks_is_refused(client: datainf.Client, run_id: str) -> None:
    run = client.create_run(run_id, datainf.lora_blocks(llama(r=2)))
    with pytest.raises(ValueError, match=r"block 0 of run .*rows=2.* but the model's is .*rows=4"):
        datainf.capture(llama(), run)
    model = roberta()
    run = client.create_run(f"{run_id}-head", datainf.lora_blocks(model))
    with pytest.raises(ValueError, match=r"4 blocks, the model 5; .* only the model .*out_proj"):
        datainf.capture(model, run, include=["classifier.out_proj.weight"])
    with pytest.raises(datainf.AlreadyExistsError):
        datainf.capture(llama(), run_id, client=client)
    with pytest.raises(TypeError, match="client is None"):
        datainf.capture(llama(), run_id)


def test_use_outside_of_with_or_without_run_is_refused() -> None:
    cap = datainf.capture(llama())
    with pytest.raises(RuntimeError, match="not within `with"):
        cap.gradients(causal_batch())
    with cap, pytest.raises(RuntimeError, match="was given no run"):
        cap.push([1, 2, 3, 4], causal_batch())
    with pytest.raises(ValueError, match="estimator is 'trajectory', expected one of"):
        datainf.capture(llama(), estimator="trajectory")  # type: ignore[arg-type]


def test_hooks_are_gone_afterwards() -> None:
    model = llama()
    randomize(model)
    with datainf.capture(model) as cap:
        assert any(m._forward_hooks for m in model.modules())
        cap.gradients(causal_batch())
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())
