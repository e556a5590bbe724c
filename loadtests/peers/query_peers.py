"""The suite peers: one DataInf query over the same gradients, by us and by what people use instead.

    query_peers.py LAUNCHER RESULTS.json COMMIT [--quick]

Contestants, each from the validation gradient to the scores of all samples, in turns:

    authors   the authors' algorithm as written: a loop over samples and blocks in Python, written anew from the formulas
    dattri    IFAttributorDataInf of dattri, if it and torch are installed: h, and h . g for all samples, from gradients that it has cached
    numpy     products of whole blocks in this process; squared norms and lambda are known
    sidecar   the server in a process of its own, asked by our client through a Unix socket

Gradients are random with norms over some decades. Writes the figures as the other suites do.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.metadata
import importlib.util
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import datainf
import numpy as np

# RoBERTa-large, LoRA of rank 4 on the value projections, and the classifier's output projection.
WIDTHS = [4096] * 48 + [2048]
DAMPING_SCALE = 0.1
ROUNDS = 15
WARM_UP_ROUNDS = 5
# Of scores, relative to the greatest. Tight enough to tell one block of all parameters from 49 blocks.
TOLERANCE = 1e-5


class Gradients:
    """Gradients, [n, D] float32, and the same as an array of its own for each block."""

    def __init__(self, samples: int) -> None:
        rng = np.random.default_rng(0)
        self.rows = rng.standard_normal((samples, sum(WIDTHS)), np.float32)
        self.rows *= np.exp(rng.normal(0, 1, (samples, 1))).astype(np.float32)
        # A validation gradient that has something to do with the samples.
        self.point = self.rows[:8].mean(axis=0) + 0.1 * rng.standard_normal(sum(WIDTHS), np.float32)
        ends = np.cumsum(WIDTHS)[:-1]
        self.blocks = [np.ascontiguousarray(block) for block in np.split(self.rows, ends, axis=1)]
        self.points = np.split(self.point, ends)
        self.squared = [np.einsum("ij,ij->i", b, b, dtype=np.float64) for b in self.blocks]
        self.dampings = [
            DAMPING_SCALE * q.sum() / block.size for q, block in zip(self.squared, self.blocks, strict=True)
        ]


def authors(gradients: Gradients) -> Callable[[], np.ndarray]:
    samples = [[block[k] for block in gradients.blocks] for k in range(len(gradients.rows))]

    def query() -> np.ndarray:
        inverse = []
        for block, v in enumerate(gradients.points):
            damping = DAMPING_SCALE * np.mean([np.mean(sample[block] ** 2) for sample in samples])
            h = np.zeros_like(v)
            for sample in samples:
                g = sample[block]
                h += (v - np.sum(v * g) / (damping + np.sum(g**2)) * g) / (len(samples) * damping)
            inverse.append(h)
        return np.array(
            [-sum(np.sum(h * g) for h, g in zip(inverse, sample, strict=True)) for sample in samples]
        )

    return query


def vectorised(gradients: Gradients, dtype: type = np.float32) -> Callable[[], np.ndarray]:
    def query() -> np.ndarray:
        scores = np.zeros(len(gradients.rows))
        parts = zip(gradients.blocks, gradients.points, gradients.squared, gradients.dampings, strict=True)
        for block, v, q, damping in parts:
            g, v = block.astype(dtype, copy=False), v.astype(dtype, copy=False)
            weights = ((g @ v) / (damping + q) / len(g)).astype(dtype)
            scores -= g @ ((v - weights @ g) / dtype(damping))
        return scores

    return query


def dattri(gradients: Gradients) -> Callable[[], np.ndarray] | None:
    """Returns None, with a word, if it cannot be imported."""
    missing = [name for name in ("torch", "dattri") if importlib.util.find_spec(name) is None]
    if missing:
        print(f"dattri is left out: {' and '.join(missing)} cannot be imported", file=sys.stderr)
        return None
    import torch
    from dattri.algorithm.influence_function import IFAttributorDataInf
    from dattri.task import AttributionTask
    from torch.utils.data import DataLoader, TensorDataset

    # A module for each block: dattri takes the parameters of one module as one layer.
    model = torch.nn.Module()
    for index, width in enumerate(WIDTHS):
        block = torch.nn.Module()
        block.weight = torch.nn.Parameter(torch.zeros(width))
        model.add_module(f"block{index}", block)
    names = [name for name, _ in model.named_parameters()]

    def loss(parameters: dict[str, Any], data: Any) -> Any:
        # Linear in the parameters, so that its gradient is the row.
        parts = torch.split(data[0].reshape(-1), WIDTHS)
        return sum((parameters[name] * part).sum() for name, part in zip(names, parts, strict=True))

    attributor = IFAttributorDataInf(
        task=AttributionTask(loss_func=loss, model=model, checkpoints=model.state_dict()),
        layer_name=names,
        regularization=float(np.mean(gradients.dampings)),  # it takes one for all blocks
    )
    rows = torch.from_numpy(gradients.rows)
    attributor.cache(DataLoader(TensorDataset(rows[:1]), batch_size=1))
    attributor._cached_train_reps[0] = rows
    layers = [part.shape[1] for part in attributor._get_layer_wise_reps(0, rows[:1])]
    if layers != WIDTHS:
        raise SystemExit(f"dattri has layers of {layers}, expected {WIDTHS}")
    point = torch.from_numpy(gradients.point).reshape(1, -1)

    def query() -> np.ndarray:
        with torch.no_grad():
            scores = rows @ attributor.transform_test_rep(0, point)[0]
        return -scores.numpy()  # its sign is the other one

    return query


@contextlib.contextmanager
def sidecar(launcher: str, gradients: Gradients) -> Iterator[datainf.Run]:
    with tempfile.TemporaryDirectory(prefix="datainf-") as name:
        folder = Path(name)
        options = {
            "--data-dir": folder / "data",
            "--listen": "127.0.0.1:0",
            "--http": "127.0.0.1:0",
            "--unix-socket": folder / "socket",
            "--ready-file": folder / "ready",
        }
        command = [launcher, "serve", *(str(part) for option in options.items() for part in option)]
        with open(folder / "log", "wb") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            while not (folder / "ready").exists():
                if process.poll() is not None:
                    raise SystemExit(f"the server ended: {(folder / 'log').read_text()}")
                time.sleep(0.05)
            with datainf.Client(f"unix:{folder / 'socket'}") as client:
                blocks = [datainf.Block(f"block{i}", 1, width) for i, width in enumerate(WIDTHS)]
                run = client.create_run("peers", blocks, damping_scale=DAMPING_SCALE)
                with run.writer() as writer:
                    for start in range(0, len(gradients.rows), 16):
                        part = gradients.rows[start : start + 16]
                        writer.add(np.arange(start, start + len(part)), part)
                yield run
        finally:
            process.terminate()
            process.wait(60)


def difference(actual: np.ndarray, expected: np.ndarray) -> float:
    return float(np.abs(actual - expected).max() / np.abs(expected).max())


def seconds(query: Callable[[], Any]) -> float:
    started = time.perf_counter()
    query()
    return time.perf_counter() - started


def measure(launcher: str, samples: int) -> list[dict[str, Any]]:
    gradients = Gradients(samples)
    expected = vectorised(gradients, np.float64)()
    slow = {"authors": authors(gradients), "dattri": dattri(gradients)}
    slow = {name: query for name, query in slow.items() if query is not None}
    times: dict[str, list[float]] = {name: [] for name in [*slow, "numpy", "sidecar"]}
    with sidecar(launcher, gradients) as run:
        fast = {
            "numpy": vectorised(gradients),
            "sidecar": lambda: run.query(gradients.point).scores[0],
        }
        errors = {name: difference(query(), expected) for name, query in fast.items()}
        errors["authors"] = difference(slow["authors"](), expected)
        for _ in range(WARM_UP_ROUNDS):
            for query in fast.values():
                query()
        for number in range(ROUNDS):
            for name, query in fast.items():
                times[name].append(seconds(query))
            if number % 5 == 0:
                for name, query in slow.items():
                    times[name].append(seconds(query))
    if "dattri" in slow:
        damping = [float(np.mean(gradients.dampings))] * len(WIDTHS)
        gradients.dampings = damping
        errors["dattri"] = difference(slow["dattri"](), vectorised(gradients, np.float64)())
    for name, error in errors.items():
        if not error <= TOLERANCE:
            raise SystemExit(f"scores of {name} differ by {error} from double precision, expected {TOLERANCE}")
    return figures(samples, times, errors)


def figures(samples: int, times: dict[str, list[float]], errors: dict[str, float]) -> list[dict[str, Any]]:
    shape = f"{samples} x {sum(WIDTHS)}"
    median = {name: statistics.median(all_) for name, all_ in times.items()}
    found = [figure(f"{shape}: {name}, one query", 1e3 * took, "ms") for name, took in median.items()]
    found += [figure(f"{shape}: {name}, error of the scores", error, "of the greatest") for name, error in errors.items()]
    # Far from 1 when the machine had something else to do: then no figure means anything.
    found += [figure(f"{shape}: {name}, slowest / fastest round", max(all_) / min(all_), "x") for name, all_ in times.items()]
    targets = {"dattri": 50.0, "numpy": 1.0, "authors": None}
    return found + [
        figure(f"{shape}: {name} / sidecar", median[name] / median["sidecar"], "x", least)
        for name, least in targets.items()
        if name in median
    ]


def figure(name: str, value: float, unit: str, least: float | None = None) -> dict[str, Any]:
    target = None if least is None else f">= {least:g}"
    met = None if least is None else value >= least
    return {"name": name, "value": value, "unit": unit, "target": target, "met": met}


def machine() -> str:
    versions = [f"numpy {np.__version__}"]
    for name in ("torch", "dattri"):
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions.append(f"{name} {importlib.metadata.version(name)}")
    return f"{os.cpu_count()} cores, {platform.system()} {platform.release()}, Python {platform.python_version()}, {', '.join(versions)}"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("launcher")
    parser.add_argument("results", type=Path)
    parser.add_argument("commit")
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    found = measure(options.launcher, 200 if options.quick else 2000)
    if options.quick:  # too little to hold against targets
        found = [{**each, "target": None, "met": None} for each in found]
    report = {"suite": "peers", "commit": options.commit, "machine": machine(), "figures": found}
    options.results.parent.mkdir(parents=True, exist_ok=True)
    options.results.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    print(f"suite peers, commit {options.commit}\n{report['machine']}\n")
    print("| figure | value | target | met |\n|---|---|---|---|")
    for each in found:
        met = {None: "", True: "yes", False: "NO"}[each["met"]]
        print(f"| {each['name']} | {each['value']:.4g} {each['unit']} | {each['target'] or ''} | {met} |")
    print(f"\nwritten to {options.results}")


if __name__ == "__main__":
    main()
