"""What the examples share: options, a server, training and capture."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import math
import os
import subprocess
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

import datainf

Gradients = npt.NDArray[np.float32]
Loss = Callable[[Any, Any], torch.Tensor]
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"

_BUILT = Path(__file__).parents[3] / "server/sidecar/target/datainf/bin/datainf-server"
_START_SECONDS = 180.0


def parser(description: str | None, name: str) -> argparse.ArgumentParser:
    """Returns a parser with the options that all examples have.

    Args:
        description: What the example shows.
        name: Its folder under `target/examples`, where results go by default.
    """
    made = argparse.ArgumentParser(
        description=description, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    made.add_argument("--target", help="a server that runs; without it, one is started")
    made.add_argument("--out", type=Path, default=Path("target/examples") / name, help="results")
    made.add_argument("--seed", type=int, default=0, help="of everything random")
    made.add_argument("--reduced", action="store_true", help="so small that it takes seconds")
    return made


def count(text: str) -> int:
    """Reads an option that counts something."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text}, expected a whole number of at least 1")
    return int(text)


def share(text: str) -> float:
    """Reads an option that is a share of something, more than 0 and less than 1."""
    return _number(text, 1.0)


def positive(text: str) -> float:
    """Reads an option that is a number of more than 0."""
    return _number(text, math.inf)


def _number(text: str, limit: float) -> float:
    with contextlib.suppress(ValueError):
        if 0 < float(text) < limit:
            return float(text)
    below = "" if math.isinf(limit) else f" and less than {limit:g}"
    raise argparse.ArgumentTypeError(f"{text}, expected more than 0{below}")


@contextlib.contextmanager
def connected(target: str | None) -> Iterator[datainf.Client]:
    """Connects to a server; without a target, to one of its own that ends with the example."""
    with contextlib.ExitStack() as stack:
        if target is None:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="datainf-")))
            target = stack.enter_context(_own_server(folder))
        yield stack.enter_context(datainf.Client(target))


@contextlib.contextmanager
def _own_server(folder: Path) -> Iterator[str]:
    command = Path(os.environ.get("DATAINF_SERVER", _BUILT))
    if not command.is_file():
        raise SystemExit(
            f"{command} does not exist: build it with `mvn -pl server/sidecar -am package` at the"
            " top of the repository, set DATAINF_SERVER, or pass --target of a server that runs"
        )
    ready, log = folder / "ready.json", folder / "server.log"
    places = {"--data-dir": folder / "data", "--unix-socket": folder / "socket"}
    free_ports = {"--listen": "127.0.0.1:0", "--http": "127.0.0.1:0"}
    options = {**places, **free_ports, "--ready-file": ready}
    arguments = [str(part) for option in options.items() for part in option]
    with log.open("wb") as output:
        process = subprocess.Popen([command, "serve", *arguments], stdout=output, stderr=output)  # noqa: S603
    try:
        deadline = time.monotonic() + _START_SECONDS
        while not ready.exists():
            if process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"the server did not start:\n{log.read_text()}")
            time.sleep(0.05)
        yield f"unix:{folder / 'socket'}"
    finally:
        process.terminate()
        process.wait()


class Stages:
    """Times the parts of an example, and tells of each when it is done.

    Attributes:
        seconds: Wall time by name.
    """

    def __init__(self) -> None:
        """Starts with none."""
        self.seconds: dict[str, float] = {}

    @contextlib.contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        """Times what is within."""
        begin = time.perf_counter()
        yield
        taken = time.perf_counter() - begin
        self.seconds[name] = self.seconds.get(name, 0.0) + taken
        print(f"  {name}: {taken:.1f} s", flush=True)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Samples:
    """Samples of a task, made into batches on demand.

    Attributes:
        count: How many there are.
        batch: Makes the batch of the samples at the given positions.
        lengths: Of each sample, so that those of like length share a batch and padding is little.
    """

    count: int
    batch: Callable[[Sequence[int]], dict[str, torch.Tensor]]
    lengths: Sequence[int] | None = None

    def batches(self, size: int) -> Iterator[tuple[list[int], dict[str, torch.Tensor]]]:
        """Yields positions and batches, the shortest samples first."""
        lengths = self.lengths or [0] * self.count
        order = np.argsort(lengths, kind="stable").tolist()
        for start in range(0, self.count, size):
            rows = order[start : start + size]
            yield rows, on_device(self.batch(rows))

    def shuffled(self, size: int, generator: np.random.Generator) -> list[list[int]]:
        """Returns positions batch by batch, in random order, like lengths mostly together."""
        order = generator.permutation(self.count).tolist()
        if self.lengths is not None:
            lengths, chunk = self.lengths, 8 * size
            parts = [order[start : start + chunk] for start in range(0, self.count, chunk)]
            order = [k for part in parts for k in sorted(part, key=lambda k: lengths[k])]
        batches = [order[start : start + size] for start in range(0, self.count, size)]
        return [batches[k] for k in generator.permutation(len(batches))]


def on_device(batch: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Returns a batch in the memory of the device."""
    return {key: tensor.to(DEVICE) for key, tensor in batch.items()}


def tune(
    model: Any,
    samples: Samples,
    *,
    epochs: int,
    learning_rate: float,
    batch_samples: int,
    seed: int,
    loss: Loss | None = None,
    steps: int | None = None,
) -> None:
    """Trains what is not frozen, by AdamW, and leaves the model in eval mode.

    Args:
        model: The model.
        samples: What to train on.
        epochs: Passes over the samples.
        learning_rate: Its greatest; it falls linearly to 0.
        batch_samples: Samples in a batch.
        seed: Of the order of the samples, and of dropout.
        loss: One a sample or their mean; None: `model(**batch).loss`.
        steps: Ends after this many batches, if the epochs have as many.
    """
    torch.manual_seed(seed)
    generator = np.random.default_rng(seed)
    parameters = [each for each in model.parameters() if each.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=learning_rate, weight_decay=0.0)
    total = epochs * -(-samples.count // batch_samples)
    total = total if steps is None else min(total, steps)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 - step / total)
    model.train()
    batches: list[list[int]] = []
    for _ in range(total):
        batches = batches or samples.shuffled(batch_samples, generator)
        batch = on_device(samples.batch(batches.pop()))
        value = model(**batch).loss if loss is None else loss(model, batch)
        optimizer.zero_grad()
        value.mean().backward()
        optimizer.step()
        schedule.step()
    model.eval()


def capture(
    client: datainf.Client,
    name: str,
    model: Any,
    train: Samples,
    validation: Samples,
    *,
    batch_samples: int,
    **options: Any,
) -> tuple[datainf.Run, Gradients]:
    """Streams the gradient of each training sample into a new run.

    Args:
        client: The server.
        name: Beginning of the run's id.
        model: The tuned model.
        train: Its training samples; their positions become their ids.
        validation: Validation points.
        batch_samples: Samples in a batch.
        options: Of `datainf.capture`.

    Returns:
        The run, and the gradient of each validation point, [m, D].
    """
    run_id = f"{name}-{uuid.uuid4().hex[:8]}"
    with datainf.capture(model, run_id, client=client, checkpoint="final", **options) as cap:
        for ids, batch in train.batches(batch_samples):
            cap.push(ids, batch)
        points = np.empty((validation.count, cap.dimension), np.float32)
        for rows, batch in validation.batches(batch_samples):
            points[rows] = cap.gradients(batch).numpy()
        cap.flush()
        if cap.writer.rejected:
            raise SystemExit(f"the server rejected samples: {cap.writer.rejected[:3]}")
    return client.run(run_id), points
