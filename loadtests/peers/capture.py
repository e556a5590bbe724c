"""What capturing per-sample gradients costs, beside plain passes and a loop over batches of one.

    capture.py [--quick]    with a Python that has our client, torch, transformers and peft

The environment of client/python/verify-torch has them. For models like RoBERTa (LoRA on value) and Llama (LoRA on q
and v) it takes turns, batch by batch: forward and backward of the batch; the same with the gradients of all samples
captured; and a loop over the batch's samples, one at a time, without padding. Prints one line of JSON a model: seconds a
batch (median), `overhead` = captured / plain, and `speedup` = loop / captured, medians of the ratios within each round.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import datainf
import peft
import torch
import transformers

# The defaults of the paper's tasks (a tiny Llama, a MiniLM), and as large as two cores bear: name, model, hidden width,
# layers, batch, most tokens.
CASES = [
    ("llama, 64 wide, 2 layers", "llama", 64, 2, 32, 32),
    ("roberta, 384 wide, 6 layers", "roberta", 384, 6, 32, 32),
    ("llama, 512 wide, 6 layers", "llama", 512, 6, 16, 64),
]


def roberta(hidden: int, layers: int) -> Any:
    config = transformers.RobertaConfig(
        vocab_size=1000, hidden_size=hidden, num_hidden_layers=layers, num_attention_heads=hidden // 32,
        intermediate_size=4 * hidden, max_position_embeddings=128, num_labels=2,
    )  # fmt: skip
    lora = peft.LoraConfig(task_type="SEQ_CLS", target_modules=["value"], r=4)
    return peft.get_peft_model(transformers.RobertaForSequenceClassification(config), lora).eval()


def llama(hidden: int, layers: int) -> Any:
    config = transformers.LlamaConfig(
        vocab_size=1000, hidden_size=hidden, num_hidden_layers=layers, num_attention_heads=hidden // 32,
        num_key_value_heads=hidden // 64, intermediate_size=3 * hidden, max_position_embeddings=128,
    )  # fmt: skip
    lora = peft.LoraConfig(task_type="CAUSAL_LM", target_modules=["q_proj", "v_proj"], r=8)
    return peft.get_peft_model(transformers.LlamaForCausalLM(config), lora).eval()


def batch_for(causal: bool, size: int, longest: int) -> dict[str, torch.Tensor]:
    """Sentences of half to all of the tokens, padded to the right."""
    lengths = torch.randint(longest // 2, longest + 1, (size,))
    lengths[0] = longest
    mask = (torch.arange(longest) < lengths[:, None]).long()
    tokens = torch.randint(2, 1000, (size, longest))
    labels = tokens.masked_fill(mask == 0, -100) if causal else torch.randint(0, 2, (size,))
    return {"input_ids": tokens, "attention_mask": mask, "labels": labels}


def seconds(work: Callable[[], object]) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def measure(name: str, model: Any, batch: dict[str, torch.Tensor], rounds: int) -> dict[str, Any]:
    size = len(batch["labels"])

    def plain() -> None:
        model(**batch).loss.backward()
        model.zero_grad()

    def loop() -> None:
        for k in range(size):
            length = int(batch["attention_mask"][k].sum())
            one = {key: value[k : k + 1] for key, value in batch.items()}
            one = {key: value[:, :length] if value.dim() > 1 else value for key, value in one.items()}
            model(**one).loss.backward()
            torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])
            model.zero_grad()

    with datainf.capture(model) as cap:
        cap.gradients(batch)  # warms up, and makes the check of the first batch
    plain()
    times: dict[str, list[float]] = {"plain": [], "captured": [], "loop": []}
    for _ in range(rounds):
        times["plain"].append(seconds(plain))
        with datainf.capture(model) as cap:
            cap._checked = cap._checked_conclusively = True  # the check was made above
            times["captured"].append(seconds(lambda: cap.gradients(batch)))
        times["loop"].append(seconds(loop))
    ratios = list(zip(*times.values(), strict=True))
    return {
        "model": name,
        "batch": size,
        "dimension": cap.dimension,
        **{key: round(statistics.median(values), 4) for key, values in times.items()},
        "overhead": round(statistics.median(captured / plain for plain, captured, _ in ratios), 3),
        "speedup": round(statistics.median(loop / captured for _, captured, loop in ratios), 2),
    }


def main() -> None:
    torch.manual_seed(0)
    transformers.logging.set_verbosity_error()
    quick = "--quick" in sys.argv
    for name, kind, hidden, layers, size, longest in CASES[:1] if quick else CASES:
        model = (roberta if kind == "roberta" else llama)(hidden, layers)
        batch = batch_for(kind == "llama", size, longest)
        print(json.dumps(measure(name, model, batch, 3 if quick else 11)), flush=True)


if __name__ == "__main__":
    main()
