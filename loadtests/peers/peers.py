"""The peers of the suite kernels: DataInf's two passes, and the pass of scores alone, as numpy, torch and faiss do them.

Holds random gradients of its own, of the shape that the suite has, and obeys lines on standard input:

    shape SAMPLES WIDTH,WIDTH,...   make gradients of blocks of these widths
    has LIBRARY                     print "yes" if it can be imported, else "no"
    NAME QUERIES                    run a peer once and print the seconds it took, or what it measures instead

numpy multiplies with the OpenBLAS that it carries. All use the threads of the environment (OMP_NUM_THREADS).
"""

from __future__ import annotations

import importlib.util
import sys
import time
from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np


class Peers:
    """The peers, over gradients [samples, D] in float32 and weights [blocks, samples]."""

    def __init__(self, samples: int, widths: list[int]) -> None:
        self.ends = np.cumsum(widths)
        self.blocks = [slice(int(end) - width, int(end)) for end, width in zip(self.ends, widths, strict=True)]
        random = np.random.default_rng(1)
        self.gradients = np.empty((samples, int(self.ends[-1])), np.float32)
        for row in self.gradients:
            random.random(out=row, dtype=np.float32)
        self.gradients -= 0.5
        self.queries = random.random((32, int(self.ends[-1])), np.float32) - 0.5
        self.weights = random.random((len(widths), samples), np.float32) / samples

    def numpy_passes(self, m: int) -> None:
        for _ in self._passes(self.gradients, self.queries[:m], self.weights):
            pass

    def numpy_scores(self, m: int) -> None:
        _ = self.gradients @ self.queries[:m].T

    @cached_property
    def _torch(self) -> Any:
        import torch

        return torch

    @cached_property
    def _torch_f32(self) -> tuple[Any, Any, Any]:
        return tuple(map(self._torch.from_numpy, (self.gradients, self.queries, self.weights)))

    @cached_property
    def _torch_bf16(self) -> tuple[Any, Any, Any]:
        return tuple(tensor.to(self._torch.bfloat16) for tensor in self._torch_f32)

    def torch_passes(self, m: int) -> None:
        gradients, queries, weights = self._torch_f32
        for _ in self._passes(gradients, queries[:m], weights):
            pass

    def torch_scores(self, m: int) -> None:
        gradients, queries, _ = self._torch_f32
        _ = gradients @ queries[:m].T

    def torch_bf16_passes(self, m: int) -> None:
        gradients, queries, weights = self._torch_bf16
        for _ in self._passes(gradients, queries[:m], weights):
            pass

    def torch_bf16_scores(self, m: int) -> None:
        gradients, queries, _ = self._torch_bf16
        _ = gradients @ queries[:m].T

    def torch_bf16_error(self, m: int) -> float:
        """Greatest error of the scores of both passes in bfloat16, relative to the greatest score in float32."""
        gradients, queries, weights = self._torch_f32
        exact = sum(self._passes(gradients, queries[:m], weights))
        gradients, queries, weights = self._torch_bf16
        rounded = sum(self._passes(gradients, queries[:m], weights))
        return float((rounded.float() - exact).abs().max() / exact.abs().max())

    @cached_property
    def _faiss(self) -> Any:
        import faiss

        index = faiss.IndexFlatIP(self.gradients.shape[1])
        index.add(self.gradients)
        return index

    def faiss_scores(self, m: int) -> None:
        """faiss returns the best matches; ten of them are a small part of the work."""
        self._faiss.search(self.queries[:m], 10)

    def _passes(self, gradients: Any, queries: Any, weights: Any) -> Any:
        """Yields the scores of each block, [samples, m]: r = G' (w (G v)), then G (v - r)."""
        for block, weight in zip(self.blocks, weights, strict=True):
            g = gradients[:, block]
            v = queries[:, block].T
            r = g.T @ ((g @ v) * weight[:, None])
            yield g @ (v - r)


def run(peers: Peers, name: str, m: int) -> float:
    """Seconds that a peer takes, or what it returns."""
    peer: Callable[[int], float | None] = getattr(peers, name)
    start = time.perf_counter()
    result = peer(m)
    return time.perf_counter() - start if result is None else result


def main() -> None:
    peers: Peers | None = None
    for line in sys.stdin:
        name, argument, *rest = line.split()
        if name == "shape":
            peers = None  # frees the last one's memory first
            peers = Peers(int(argument), [int(width) for width in rest[0].split(",")])
            print("ready", flush=True)
        elif name == "has":
            print("yes" if importlib.util.find_spec(argument) else "no", flush=True)
        else:
            assert peers is not None, "no shape was given"
            print(f"{run(peers, name, int(argument)):.9f}", flush=True)


if __name__ == "__main__":
    main()
