"""The exchange format: one .npz file with the gradients of a run. Described in README.md."""

from __future__ import annotations

import re
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt

from datainf._block import Block

_INTEGER = re.compile(r"\d{1,20}")


class ExchangeFileError(ValueError):
    """A file does not have the exchange format; the message names file and array."""


class ExchangeFile:
    """An open exchange file. Arrays are read when they are asked for.

    Attributes:
        blocks: The blocks, L of them, in order.
        has_other_ids: `sample_ids` found ids that are not integers, and returned row numbers.
    """

    def __init__(self, path: str | Path) -> None:
        """Opens the file and reads the names and shapes of its blocks.

        Raises:
            OSError: It cannot be read.
            ExchangeFileError: It has another format.
        """
        self._path = path
        self.has_other_ids = False
        try:
            loaded = np.load(path, allow_pickle=False)
        except (ValueError, EOFError, zipfile.BadZipFile) as error:
            raise ExchangeFileError(f"{path} is not an .npz file: {error}") from None
        if not isinstance(loaded, np.lib.npyio.NpzFile):
            raise ExchangeFileError(f"{path} holds a single array, expected an .npz file")
        self._arrays = loaded
        try:
            self.blocks = self._read_blocks()
        except BaseException:
            loaded.close()
            raise

    def gradients(self, split: str) -> list[npt.NDArray[Any]]:
        """Returns the gradients of each block, [rows, d_b], all with as many rows.

        Args:
            split: `"train"` or `"val"`.

        Raises:
            ExchangeFileError: An array is missing or has a wrong dtype or shape.
        """
        arrays: list[npt.NDArray[Any]] = []
        for index, block in enumerate(self.blocks):
            key = f"{split}.{index}"
            array = self._read(key)
            if array.dtype.kind != "f":
                raise self._error(key, f"has dtype {array.dtype}, expected floats")
            rows = len(arrays[0]) if arrays else "rows"
            if array.shape != (len(arrays[0]) if arrays else len(array), block.dimension):
                raise self._error(
                    key,
                    f"has shape {array.shape}, expected [{rows}, {block.dimension}]: block"
                    f" {block.name!r} is {block.rows} by {block.columns}",
                )
            arrays.append(array)
        extra = f"{split}.{len(self.blocks)}"
        if extra in self._arrays:
            raise self._error(extra, f"is one too many: there are {len(self.blocks)} block_names")
        if len(arrays[0]) == 0:
            raise self._error(f"{split}.0", "has no rows, expected at least 1")
        return arrays

    def sample_ids(self, sample_count: int) -> npt.NDArray[np.uint64]:
        """Returns the ids of the train rows, [n]: `ids` if they are integers, else row numbers.

        Raises:
            ExchangeFileError: `ids` has another length, or an id occurs twice or is out of range.
        """
        rows = np.arange(sample_count, dtype=np.uint64)
        if "ids" not in self._arrays:
            return rows
        array = self._read("ids")
        if array.shape != (sample_count,):
            raise self._error("ids", f"has shape {array.shape}, expected [{sample_count}]")
        texts = [str(text) for text in array.tolist()]
        if array.dtype.kind not in "iuU" or not all(
            _INTEGER.fullmatch(text.removeprefix("-")) for text in texts
        ):
            self.has_other_ids = True
            return rows
        ids = [int(text) for text in texts]
        wrong = next((i for i in ids if not 0 <= i < 2**64), None)
        if wrong is not None:
            raise self._error("ids", f"holds {wrong}, expected integers from 0 to 2^64 - 1")
        if len(set(ids)) != len(ids):
            twice = next(i for i in ids if ids.count(i) > 1)
            raise self._error("ids", f"holds {twice} twice, expected each id once")
        return np.array(ids, np.uint64)

    def close(self) -> None:
        """Closes the file."""
        self._arrays.close()

    def __enter__(self) -> ExchangeFile:
        """Returns the file itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Closes the file."""
        self.close()

    def _read_blocks(self) -> tuple[Block, ...]:
        names = self._read("block_names")
        if names.dtype.kind != "U" or names.ndim != 1 or names.size == 0:
            raise self._error(
                "block_names",
                f"has dtype {names.dtype} and shape {names.shape}, expected strings of shape [L]",
            )
        shapes = self._read("block_shapes")
        if shapes.dtype.kind not in "iu" or shapes.shape != (len(names), 2):
            raise self._error(
                "block_shapes",
                f"has dtype {shapes.dtype} and shape {shapes.shape}, expected integers of"
                f" shape [{len(names)}, 2]: rank and width of each of the {len(names)} block_names",
            )
        if shapes.min() < 1:
            raise self._error("block_shapes", f"holds {shapes.min()}, expected at least 1")
        return tuple(
            Block(name, rows, columns)
            for name, (rows, columns) in zip(names.tolist(), shapes.tolist(), strict=True)
        )

    def _read(self, key: str) -> npt.NDArray[Any]:
        try:
            array: npt.NDArray[Any] = self._arrays[key]
        except KeyError:
            raise self._error(key, "is missing") from None
        except (ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
            raise self._error(key, f"cannot be read: {error}") from None
        return array

    def _error(self, key: str, problem: str) -> ExchangeFileError:
        return ExchangeFileError(f"{self._path}: {key} {problem}")


def joined(
    blocks: list[npt.NDArray[Any]], row_count: int, rows_at_once: int
) -> Iterator[tuple[slice, npt.NDArray[np.float32]]]:
    """Yields the first `row_count` rows with their blocks side by side, [k, D], some at a time.

    Args:
        blocks: Gradients of each block, [rows, d_b].
        row_count: How many rows.
        rows_at_once: Greatest k.
    """
    dimension = sum(block.shape[1] for block in blocks)
    for start in range(0, row_count, rows_at_once):
        part = slice(start, min(start + rows_at_once, row_count))
        rows = np.empty((part.stop - part.start, dimension), np.float32)
        with np.errstate(over="ignore"):  # infinity is for the server to reject, by name
            np.concatenate([block[part] for block in blocks], axis=1, out=rows, casting="same_kind")
        yield part, rows
