"""DataInf and its Hessian-free baseline as plainly as numpy can say them, in float64.

Kwon et al., "DataInf: Efficiently Estimating Data Influence in LoRA-tuned LLMs and Diffusion
Models", ICLR 2024, arXiv 2310.00902. For block l of width d_l, training gradients g_i and a
validation gradient v:

    lambda_l = c / (n d_l) * sum_i |g_i|^2                     c = 0.1
    r_l      = 1/n * sum_i (v . g_i) / (lambda_l + |g_i|^2) * g_i
    score_k  = - sum_l (v - r_l) . g_k / lambda_l              DataInf
    score_k  = - sum_l v . g_k                                 Hessian-free

A negative score marks a helpful sample, a positive score a harmful one. A block whose gradients
are all zero has lambda_l = 0 and is left out of both.
"""

from collections.abc import Sequence

import numpy as np

from digits.network import Floats

DAMPING_SCALE = 0.1


def damping(gradients: Floats, widths: Sequence[int], scale: float = DAMPING_SCALE) -> Floats:
    """lambda_l of each block, shape [L], from training gradients [n, D]."""
    means = [np.mean(block**2) for block in split(gradients, widths)]
    return scale * np.array(means)


def scores(method: str, gradients: Floats, validation: Floats, widths: Sequence[int]) -> Floats:
    """Influence scores, shape [m, n].

    Args:
        method: "datainf" or "hessian_free".
        gradients: Training gradients, shape [n, D].
        validation: Validation gradients, shape [m, D].
        widths: d_l of each block; their sum is D.
    """
    if method not in ("datainf", "hessian_free"):
        raise ValueError(f"method is {method!r}: expected 'datainf' or 'hessian_free'")
    total = np.zeros((len(validation), len(gradients)))
    blocks = zip(
        damping(gradients, widths), split(gradients, widths), split(validation, widths), strict=True
    )
    for lam, g, v in blocks:
        if lam == 0.0:
            continue
        if method == "hessian_free":
            total -= v @ g.T
        else:
            weights = (v @ g.T) / (lam + np.sum(g**2, axis=1))
            r = weights @ g / len(g)
            total -= (v - r) @ g.T / lam
    return total


def relative_error(actual: Floats, expected: Floats) -> float:
    """Greatest difference in any row [m, n], relative to the row's greatest absolute value."""
    greatest = np.abs(expected).max(axis=1)
    difference = np.abs(actual - expected).max(axis=1)
    if not np.all(np.isfinite(actual)):
        return float("inf")
    return float(np.max(np.divide(difference, greatest, out=difference, where=greatest > 0.0)))


def split(rows: Floats, widths: Sequence[int]) -> list[Floats]:
    """The blocks of `rows` [m, D], each [m, d_l]."""
    if rows.shape[1] != sum(widths):
        raise ValueError(f"rows have {rows.shape[1]} columns: the blocks make {sum(widths)}")
    return np.split(rows, np.cumsum(widths)[:-1], axis=1)
