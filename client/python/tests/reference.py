"""DataInf in plain numpy and double precision: what the server must agree with."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


def lambdas(train: Array, dimensions: list[int], scale: float = 0.1) -> Array:
    """Returns lambda_l = scale / (n d_l) * sum_i |g_{i,l}|^2, [L].

    Args:
        train: Gradients, [n, D].
        dimensions: d_l of each block.
        scale: Damping scale.
    """
    blocks = _split(train, dimensions)
    return np.array([scale * (block**2).sum() / block.size for block in blocks])


def datainf_scores(train: Array, val: Array, dimensions: list[int], scale: float = 0.1) -> Array:
    """Returns score[j, k] = - sum_l h_l(v_j) . g_{k,l}, [m, n]; blocks with lambda 0 add nothing.

    Args:
        train: Gradients, [n, D].
        val: Validation gradients, [m, D].
        dimensions: d_l of each block.
        scale: Damping scale.
    """
    scores = np.zeros((len(val), len(train)))
    for g, v, damping in _blocks(train, val, dimensions, scale):
        if damping > 0:
            weights = (v @ g.T) / (damping + (g**2).sum(axis=1)) / len(g)
            scores -= ((v - weights @ g) / damping) @ g.T
    return scores


def exact_scores(train: Array, val: Array, dimensions: list[int], scale: float = 0.1) -> Array:
    """Returns the scores with h = (1/n sum_i g_i g_i^T + lambda I)^-1 v; arguments as above."""
    scores = np.zeros((len(val), len(train)))
    for g, v, damping in _blocks(train, val, dimensions, scale):
        hessian = g.T @ g / len(g) + damping * np.eye(g.shape[1])
        scores -= np.linalg.solve(hessian, v.T).T @ g.T
    return scores


def lissa_scores(
    train: Array, val: Array, dimensions: list[int], *, iterations: int, alpha: float, sign: int
) -> Array:
    """Returns the scores with h of R <- R + alpha (v - G R + sign lambda R), R = v at first."""
    scores = np.zeros((len(val), len(train)))
    for g, v, damping in _blocks(train, val, dimensions, 0.1):
        r = v
        for _ in range(iterations):
            r = r + alpha * (v - r @ g.T @ g / len(g) + sign * damping * r)
        scores -= r @ g.T
    return scores


def worst_relative_error(actual: Array, expected: Array) -> float:
    """Returns the greatest difference relative to the greatest absolute value of its row."""
    assert actual.shape == expected.shape
    error = np.abs(actual - expected).max(axis=-1)
    scale = np.abs(expected).max(axis=-1)
    # A row of zeros has to be met exactly.
    return float(np.where(scale > 0, error / np.where(scale > 0, scale, 1), error).max())


def _split(rows: Array, dimensions: list[int]) -> list[Array]:
    return np.split(rows.astype(np.float64), np.cumsum(dimensions)[:-1], axis=1)


def _blocks(
    train: Array, val: Array, dimensions: list[int], scale: float
) -> Iterator[tuple[Array, Array, float]]:
    dampings = lambdas(train, dimensions, scale).tolist()
    return zip(_split(train, dimensions), _split(val, dimensions), dampings, strict=True)
