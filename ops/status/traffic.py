"""Streams into a run as a trainer does, and asks, until a file appears. For ops/status/check."""

import os
import sys
import time
from pathlib import Path

import datainf
import numpy as np

LAYERS = 12
RANK, WIDTH = 4, 64


def main(stop: Path) -> None:
    """Writes and asks until `stop` exists."""
    blocks = [
        datainf.Block(f"layer.{layer}.{module}.lora_{side}", rows=RANK, columns=WIDTH)
        for layer in range(LAYERS)
        for module in ("query", "value")
        for side in "AB"
    ]
    generator = np.random.default_rng(0)
    # Gradients grow with the layer; lora_A of the first half has none, as when training begins.
    scale = np.repeat(
        [
            0.0 if i % 2 == 0 and i < len(blocks) // 2 else 10.0 ** (i / len(blocks) - 2 - i % 2)
            for i in range(len(blocks))
        ],
        RANK * WIDTH,
    )
    with datainf.Client(os.environ["DATAINF_TARGET"]) as client:
        client.create_run("llama-sft", blocks)
        run = client.create_run("roberta-mrpc", blocks)
        sample_id = 0
        with run.writer() as writer:
            while not stop.exists():
                gradients = generator.standard_normal((64, run.dimension)) * scale
                if sample_id == 0:
                    gradients[5, -1] = np.nan
                writer.add(np.arange(sample_id, sample_id + 64), gradients)
                revision = writer.flush()
                sample_id += 64
                run.query(gradients[7], top_k=5, min_revision=revision)
                run.query(gradients[8], top_k=5, method="hessian_free")
                time.sleep(0.2)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
