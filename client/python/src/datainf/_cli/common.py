"""What several commands share."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

import datainf
from datainf._definition import ExchangeFileError
from datainf._exchange import ExchangeFile, joined
from datainf._query import METHOD_NAMES

OK = 0
FAILED = 1  # 2 is argparse's, for wrong usage
SOME_REJECTED = 3


class Parents(NamedTuple):
    """Parsers whose options a command takes over.

    Attributes:
        server: `--target`.
        run: `--target` and `--run`.
    """

    server: argparse.ArgumentParser
    run: argparse.ArgumentParser


def positive(text: str) -> int:
    """Returns an integer of at least 1."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{value} is not at least 1")
    return value


def add_method(parser: argparse.ArgumentParser) -> None:
    """Adds the options that say how to score."""
    parser.add_argument("--method", choices=METHOD_NAMES, default="datainf", help="(%(default)s)")
    parser.add_argument("--damping-scale", type=float, metavar="C", help="instead of the run's")


def size(count: int) -> str:
    """Returns a number of bytes as people read it."""
    return f"{count / 1e6:,.1f} MB" if count >= 1e5 else f"{count / 1e3:,.1f} kB"


def validation_gradients(file: ExchangeFile, path: str, run: datainf.Run) -> npt.NDArray[Any]:
    """Returns the rows of val.<b>, [m, D].

    Raises:
        ExchangeFileError: They are missing or wrong, or are of other blocks than the run's.
    """
    blocks = file.gradients("val")
    _require_same_blocks(path, file.blocks, run)
    _, gradients = next(joined(blocks, len(blocks[0]), len(blocks[0])))
    return gradients


def save(path: str, arrays: dict[str, npt.NDArray[Any]]) -> None:
    """Writes an .npz file of exactly this name."""
    with open(path, "wb") as out:  # savez would add .npz to a bare name
        np.savez(out, **arrays)  # type: ignore[arg-type]


def _require_same_blocks(path: str, blocks: Sequence[datainf.Block], run: datainf.Run) -> None:
    if len(blocks) != len(run.blocks):
        raise ExchangeFileError(
            f"{path} has {len(blocks)} blocks, but run {run.run_id} has {len(run.blocks)}"
        )
    for index, (ours, theirs) in enumerate(zip(blocks, run.blocks, strict=True)):
        if ours != theirs:
            raise ExchangeFileError(
                f"{path}: block {index} is {ours}, but that of run {run.run_id} is {theirs}"
            )
