"""The trainer of the quickstart, with a writer attached and without, block of steps by block of steps.

    trainer.py TARGET STEPS    trains STEPS steps each way; a server listens at TARGET

A step draws a batch of pictures, takes the gradient of each sample's loss, and moves the LoRA matrices by Adam; with the
writer it also hands the gradients over. Prints one line of JSON: {"detached", "attached"}, the mean milliseconds of a
step, one number a block; "behind", how long the sender took at the end of each block to get everything acknowledged, as
a share of the block; "megabytesPerSecond", what the writer took.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

# As ops/quickstart does: such small matrices gain nothing from a second thread, and its waiting takes the server's core.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import datainf
import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2] / "ops"))

from digits.experiment import CLASSES, Settings
from digits.network import Network
from digits.training import Adam

BLOCK_STEPS = 100
PIXELS = 64
RUN_ID = "trainer"


class Trainer:
    """The network of the quickstart, on random pictures: the digits themselves make no difference to the time."""

    def __init__(self) -> None:
        settings = Settings()
        self.random = np.random.default_rng(settings.seed)
        widths = [PIXELS, settings.hidden_width, settings.hidden_width, CLASSES]
        self.network = Network(widths, settings.rank, self.random)
        self.pictures = self.random.random((settings.tuning_samples, PIXELS))
        self.labels = self.random.integers(0, CLASSES, settings.tuning_samples)
        self.batch_samples = settings.batch_samples
        self.adam = Adam(settings.learning_rate)

    def step(self) -> np.ndarray:
        """Trains on a batch; returns its samples' gradients as they are sent."""
        rows = self.random.choice(len(self.labels), self.batch_samples, replace=False)
        pictures, labels = self.pictures[rows], self.labels[rows]
        gradients = self.network.lora_gradients(pictures, labels)
        self.adam.update(self.network.lora_step(pictures, labels))
        return gradients.astype(np.float32)


def main() -> None:
    target, steps = sys.argv[1], int(sys.argv[2])
    trainer = Trainer()
    detached: list[float] = []
    attached: list[float] = []
    behind: list[float] = []
    blocks = [datainf.Block(block.name, block.rank, block.width) for block in trainer.network.blocks()]
    with datainf.Client(target) as client, client.create_run(RUN_ID, blocks).writer() as writer:
        sent = 0
        for block in range(-2, 2 * (steps // BLOCK_STEPS)):
            writing = block % 2 == 1
            start = time.perf_counter()
            for _ in range(BLOCK_STEPS):
                gradients = trainer.step()
                if writing:
                    writer.add(np.arange(sent, sent + len(gradients)), gradients)
                    sent += len(gradients)
            end = time.perf_counter()
            if block >= 0:  # the first two are to warm up
                (attached if writing else detached).append((end - start) / BLOCK_STEPS * 1e3)
            writer.flush()
            if block >= 0 and writing:
                behind.append((time.perf_counter() - end) / (end - start))
        rate = gradients.nbytes / 1e6 / (np.median(attached) / 1e3)
    with datainf.Client(target) as client:
        client.delete_run(RUN_ID)
    print(json.dumps({"detached": detached, "attached": attached, "behind": behind, "megabytesPerSecond": rate}))


if __name__ == "__main__":
    main()
