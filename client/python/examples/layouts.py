"""Dry run: registers the layouts of the paper's three models, and measures what a sample costs.

The models are made from their configurations on PyTorch's meta device, so that they take neither
memory nor a download. Some samples of random numbers go to the server for each; times for the
paper's number of samples are these, scaled.
"""

from __future__ import annotations

import argparse
import collections
import time
import uuid
from collections.abc import Callable
from typing import Any

import diffusers
import figures
import numpy as np
import peft
import torch
import transformers
from common import connected, count, parser

import datainf

TIME_STEPS = 6  # whose gradients the authors put side by side in each block


def roberta_large() -> list[datainf.Block]:
    """Returns the blocks of RoBERTa-large, LoRA of rank 4 on value, and the head's last weight."""
    config: Any = transformers.RobertaConfig(  # type: ignore[call-arg]
        vocab_size=50265,
        hidden_size=1024,
        num_hidden_layers=24,
        num_attention_heads=16,
        intermediate_size=4096,
        max_position_embeddings=514,
        type_vocab_size=1,
        num_labels=2,
    )
    lora = peft.LoraConfig(task_type="SEQ_CLS", target_modules=["value"], r=4, lora_alpha=4)
    model: Any = peft.get_peft_model(transformers.RobertaForSequenceClassification(config), lora)
    return datainf.lora_blocks(model, include=["classifier.out_proj.weight"])


def llama_13b() -> list[datainf.Block]:
    """Returns the blocks of Llama-2-13B, LoRA of rank 8 on queries and values."""
    config = transformers.LlamaConfig(
        vocab_size=32000,
        hidden_size=5120,
        intermediate_size=13824,
        num_hidden_layers=40,
        num_attention_heads=40,
    )
    lora = peft.LoraConfig(
        task_type="CAUSAL_LM", target_modules=["q_proj", "v_proj"], r=8, lora_alpha=32
    )
    return datainf.lora_blocks(peft.get_peft_model(transformers.LlamaForCausalLM(config), lora))


def stable_diffusion() -> list[datainf.Block]:
    """Returns the blocks of stable-diffusion-v1.5's UNet, LoRA of rank 2, six time steps each."""
    model: Any = diffusers.UNet2DConditionModel(
        sample_size=64, cross_attention_dim=768, attention_head_dim=8
    )
    model.add_adapter(
        peft.LoraConfig(r=2, lora_alpha=2, target_modules=["to_q", "to_k", "to_v", "to_out.0"])
    )
    blocks = datainf.lora_blocks(model)
    return [datainf.Block(b.name, b.rows, b.columns * TIME_STEPS) for b in blocks]


# By name: what makes the blocks, and the training samples of the paper.
LAYOUTS: dict[str, tuple[Callable[[], list[datainf.Block]], int]] = {
    "RoBERTa-large": (roberta_large, 4500),
    "Llama-2-13B": (llama_13b, 900),
    "stable-diffusion-v1.5": (stable_diffusion, 600),
}


def measure(client: datainf.Client, name: str, megabytes: int) -> dict[str, Any]:
    """Registers a layout, sends random samples and asks; returns what it took."""
    make, paper_samples = LAYOUTS[name]
    begin = time.perf_counter()
    with torch.device("meta"):
        blocks = make()
    found = time.perf_counter()
    run_id = f"layout-{name.lower()}-{uuid.uuid4().hex[:8]}"
    run = client.create_run(run_id, blocks)
    registered = time.perf_counter()
    sample_bytes = 4 * run.dimension
    count = max(megabytes * 2**20 // sample_bytes, 2)
    rows = np.random.default_rng(0).standard_normal((count, run.dimension), np.float32)
    begin_push = time.perf_counter()
    with run.writer() as writer:
        for start in range(0, count, 16):
            writer.add(np.arange(start, min(start + 16, count)), rows[start : start + 16])
        writer.flush()
    pushed = time.perf_counter()
    run.query(rows[0])  # the first also warms the server up
    begin_query = time.perf_counter()
    run.query(rows[0])
    asked = time.perf_counter()
    client.delete_run(run_id)
    scale = paper_samples / count
    return {
        "model": name,
        "blocks": len(blocks),
        "widths": dict(collections.Counter(block.dimension for block in blocks)),
        "dimension": run.dimension,
        "sample_megabytes": sample_bytes / 1e6,
        "find_seconds": found - begin,
        "register_seconds": registered - found,
        "samples_sent": count,
        "push_seconds": pushed - begin_push,
        "query_seconds": asked - begin_query,
        "paper_samples": paper_samples,
        "paper_gigabytes": paper_samples * sample_bytes / 1e9,
        "paper_push_seconds": (pushed - begin_push) * scale,
        "paper_query_seconds": (asked - begin_query) * scale,
    }


def show(rows: list[dict[str, Any]]) -> None:
    """Prints rows."""
    print(
        "\n  model                  blocks          D  MB a sample  find s  register s  MB/s sent"
    )
    for row in rows:
        rate = row["samples_sent"] * row["sample_megabytes"] / row["push_seconds"]
        print(
            f"  {row['model']:<23}{row['blocks']:>6}{row['dimension']:>11,}"
            f"{row['sample_megabytes']:>13.2f}{row['find_seconds']:>8.1f}"
            f"{row['register_seconds']:>12.3f}{rate:>11.0f}"
        )
    print("\n  model                  samples      GB  to send, s  one question, s  (scaled)")
    for row in rows:
        print(
            f"  {row['model']:<23}{row['paper_samples']:>7,}{row['paper_gigabytes']:>8.2f}"
            f"{row['paper_push_seconds']:>12.1f}{row['paper_query_seconds']:>17.2f}"
        )


def main() -> None:
    """Measures each layout and reports."""
    arguments = _arguments()
    with connected(arguments.target) as client:
        rows = [measure(client, name, arguments.megabytes) for name in LAYOUTS]
    show(rows)
    figures.write_json(arguments.out, {"task": "layouts", "results": rows})


def _arguments() -> argparse.Namespace:
    options = parser(__doc__, "layouts")
    options.add_argument("--megabytes", type=count, default=512, help="MiB sent for each model")
    arguments = options.parse_args()
    if arguments.reduced:
        arguments.megabytes = 16
    return arguments


if __name__ == "__main__":
    main()
