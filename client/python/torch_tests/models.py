"""Tiny models of the kinds that people tune, with random weights, and batches for them."""

from __future__ import annotations

from typing import Any

import peft
import torch
import transformers
from torch import nn

VOCABULARY = 50
_IGNORED = -100


def randomize(model: nn.Module) -> None:
    """Fills trained weights: at its start lora_B is 0, and so would be the gradient of lora_A."""
    for parameter in model.parameters():
        if parameter.requires_grad:
            nn.init.normal_(parameter, std=0.1)


def roberta(**options: Any) -> Any:
    """Classifier of 3 classes, LoRA on value, and its head as module to save."""
    config: Any = transformers.RobertaConfig(  # type: ignore[call-arg]
        vocab_size=VOCABULARY,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=37,
        max_position_embeddings=40,
        num_labels=3,
        pad_token_id=1,
    )
    lora = peft.LoraConfig(
        task_type="SEQ_CLS", target_modules=["value"], r=4, lora_dropout=0.05, **options
    )
    model = peft.get_peft_model(transformers.RobertaForSequenceClassification(config), lora)
    randomize(model)
    return model.eval()


def llama(*, tune: bool = True, **options: Any) -> Any:
    """Causal model with grouped queries: its blocks have different widths."""
    config = transformers.LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=64,
        pad_token_id=0,
    )
    model = transformers.LlamaForCausalLM(config)
    if not tune:
        return model.eval()
    settings = {"r": 4, "lora_alpha": 8, "target_modules": ["q_proj", "v_proj"], **options}
    tuned = peft.get_peft_model(model, peft.LoraConfig(task_type="CAUSAL_LM", **settings))
    randomize(tuned)
    return tuned.eval()


def classification_batch(lengths: tuple[int, ...] = (9, 5, 12, 3), *, seed: int = 1) -> Any:
    """Sentences padded to the right, and labels [B]."""
    generator = torch.Generator().manual_seed(seed)
    batch = _padded(lengths, 1, generator)
    batch["labels"] = torch.randint(0, 3, (len(lengths),), generator=generator)
    return batch


def causal_batch(lengths: tuple[int, ...] = (9, 5, 12, 3), *, seed: int = 1) -> Any:
    """Sentences padded to the right; labels [B, T] leave out the padding."""
    batch = _padded(lengths, 0, torch.Generator().manual_seed(seed))
    batch["labels"] = batch["input_ids"].masked_fill(batch["attention_mask"] == 0, _IGNORED)
    return batch


def unpadded(batch: dict[str, Any], index: int) -> dict[str, Any]:
    """One sample as a batch of its own, without padding."""
    length = int(batch["attention_mask"][index].sum())
    one = {key: value[index : index + 1] for key, value in batch.items()}
    return {key: value[:, :length] if value.dim() > 1 else value for key, value in one.items()}


def _padded(lengths: tuple[int, ...], pad: int, generator: torch.Generator) -> dict[str, Any]:
    count, longest = len(lengths), max(lengths)
    mask = (torch.arange(longest) < torch.tensor(lengths)[:, None]).long()
    tokens = torch.randint(2, VOCABULARY, (count, longest), generator=generator)
    return {"input_ids": tokens.masked_fill(mask == 0, pad), "attention_mask": mask}
