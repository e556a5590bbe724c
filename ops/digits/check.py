"""Holds every answer of the server against numpy."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from digits import reference
from digits.network import Floats

Method = Literal["datainf", "hessian_free"]

# What float32 can promise; relative to the greatest score of the validation point.
TOLERANCE = 1e-5


class MismatchError(Exception):
    """An answer is not what numpy computes from the samples that it names."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One answer over all samples of a snapshot.

    Attributes:
        method: How it was computed.
        validation: The validation gradients that were sent, shape [m, D].
        ids: Sample ids, shape [n].
        scores: Shape [m, n].
        sample_count: What the snapshot says n is.
        revision: The snapshot's.
        engine: What computed it.
        seconds: From the call to the last score, at the client.
    """

    method: Method
    validation: Floats
    ids: npt.NDArray[np.uint64]
    scores: Floats
    sample_count: int
    revision: int
    engine: str
    seconds: float


@dataclass(frozen=True, kw_only=True)
class StreamedSamples:
    """What one writer sent, in this order.

    Attributes:
        ids: Shape [n].
        gradients: As the server stores them (float32), widened; shape [n, D].
        widths: d_l of each block.
    """

    ids: npt.NDArray[np.uint64]
    gradients: Floats
    widths: list[int]


def relative_error(answer: Answer, streamed: StreamedSamples) -> float:
    """Checks that the answer is that of the snapshot it names, and returns its relative error.

    A run with one writer that replaces nothing grows by one revision a sample, in the order of
    streaming, so a snapshot of n samples holds the first n and has revision n.

    Raises:
        MismatchError: It names other samples, or a score is off by more than `TOLERANCE`.
    """
    n = answer.sample_count
    snapshot = f"{answer.method} at n = {n}, revision {answer.revision}"
    if answer.revision != n:
        raise MismatchError(f"{snapshot}: expected revision {n} from a single writer")
    if not np.array_equal(answer.ids, streamed.ids[:n]):
        raise MismatchError(f"{snapshot}: the ids are not those of the first {n} streamed samples")
    expected = reference.scores(
        answer.method, streamed.gradients[:n], answer.validation, streamed.widths
    )
    if answer.scores.shape != expected.shape:
        raise MismatchError(
            f"{snapshot}: scores have shape {answer.scores.shape}, expected {expected.shape}"
        )
    error = reference.relative_error(answer.scores, expected)
    if not error <= TOLERANCE:
        raise MismatchError(
            f"{snapshot}: scores differ from numpy float64 by {error:.2e} (row-wise relative),"
            f" allowed are {TOLERANCE:.0e}"
        )
    return error
