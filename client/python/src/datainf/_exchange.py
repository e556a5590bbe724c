"""The exchange format as one .npz file with the gradients of a run. Described in README.md."""

from __future__ import annotations

import re
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from datainf._block import Block
from datainf._definition import Definition, ExchangeFileError, from_json
from datainf._encoding import Dtype, wire_type
from datainf._reading import StoredSamples

_INTEGER = re.compile(r"\d{1,20}")


class Samples(NamedTuple):
    """Some samples of a file, as `Writer.add` takes them."""

    ids: npt.NDArray[np.uint64]
    steps: npt.NDArray[np.int64] | None
    gradients: npt.NDArray[Any]


class ExchangeFile:
    """An open exchange file. Arrays are read when they are asked for.

    Attributes:
        definition: What the file says of the run; None if it was not made by export.
        blocks: The blocks, L of them, in order.
        dtype: `"bf16"` if `train.<b>` are bits of bfloat16, else `"f32"`.
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
            self.definition = self._read_definition()
        except BaseException:
            loaded.close()
            raise
        self.dtype: Dtype = "f32" if self.definition is None else self.definition.stored_dtype

    def batches(self, limit: int | None, rows_at_once: int) -> Iterator[Samples]:
        """Returns the first `limit` train samples, some at a time.

        Raises:
            ExchangeFileError: As `gradients` and `sample_ids` do; or `steps` is wrong.
        """
        blocks = self.gradients("train")
        ids = self.sample_ids(len(blocks[0]))
        steps: npt.NDArray[np.int64] | None = None
        if "steps" in self._arrays:
            steps = self._read("steps")
            if steps.dtype != np.int64 or steps.shape != ids.shape:
                raise self._error(
                    "steps",
                    f"has dtype {steps.dtype} and shape {steps.shape}, expected int64 of shape"
                    f" [{len(ids)}]",
                )
        row_count = min(len(ids) if limit is None else limit, len(ids))
        return (
            Samples(ids[part], None if steps is None else steps[part], rows)
            for part, rows in joined(blocks, row_count, rows_at_once, self.dtype)
        )

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
            if split == "train" and self.dtype == "bf16":
                if array.dtype != np.uint16:
                    raise self._error(
                        key, f"has dtype {array.dtype}, expected uint16, the bits of bfloat16"
                    )
            elif array.dtype.kind != "f":
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
        array = np.array(ids, np.uint64)
        require_distinct(self._path, "ids", array)
        return array

    def by_id(self, key: str) -> dict[int, Any] | None:
        """Returns what the file says of each train sample under a key; None if it does not.

        Raises:
            ExchangeFileError: It does not have one value a sample; or as `sample_ids`.
        """
        if key not in self._arrays:
            return None
        values = self._read(key)
        ids = self.sample_ids(len(values) if values.ndim else 0)
        if values.shape != ids.shape:
            raise self._error(key, f"has shape {values.shape}, expected one value a train sample")
        return dict(zip(ids.tolist(), values.tolist(), strict=True))

    def validation_labels(self) -> npt.NDArray[Any] | None:
        """Returns `val_labels`, as they are, or None."""
        return self._read("val_labels") if "val_labels" in self._arrays else None

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

    def _read_definition(self) -> Definition | None:
        if "datainf" not in self._arrays:
            return None
        definition = from_json(self._path, str(self._read("datainf")))
        if definition.blocks != self.blocks:
            raise self._error(
                "datainf", "has other blocks than block_names and block_shapes, expected the same"
            )
        return definition

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


class NpzSink:
    """Writes an .npz file. Holds all samples in memory until then."""

    def __init__(
        self,
        path: str | Path,
        *,
        blocks: tuple[Block, ...],
        stored_dtype: Dtype,
        metadata: str,
        damping: npt.NDArray[np.float64],
        count: int,
    ) -> None:
        """Makes room for `count` samples."""
        self._path = path
        self._end = 0
        element = wire_type(stored_dtype)
        self._gradients = [np.empty((count, block.dimension), element) for block in blocks]
        self._arrays: dict[str, npt.NDArray[Any]] = {
            "block_names": np.array([block.name for block in blocks]),
            "block_shapes": np.array([(block.rows, block.columns) for block in blocks], np.int64),
            "ids": np.empty(count, np.uint64),
            "steps": np.empty(count, np.int64),
            "q": np.empty((count, len(blocks)), np.float64),
            "lambda": damping,
            "datainf": np.array(metadata),
        }

    def write(self, samples: StoredSamples) -> None:
        """Goes on with some samples."""
        part = slice(self._end, self._end + len(samples))
        self._arrays["ids"][part] = samples.ids
        self._arrays["steps"][part] = samples.steps
        self._arrays["q"][part] = samples.squared_norms
        start = 0
        for gradients in self._gradients:
            end = start + gradients.shape[1]
            gradients[part] = samples.gradients[:, start:end]
            start = end
        self._end = part.stop

    def finish(self) -> None:
        """Writes the file."""
        train = {f"train.{index}": array for index, array in enumerate(self._gradients)}
        with open(self._path, "wb") as out:  # savez would add .npz to a bare name
            np.savez(out, **self._arrays, **train)  # type: ignore[arg-type]

    def abandon(self) -> None:
        """Has nothing to let go."""


def require_distinct(path: str | Path, name: str, ids: npt.NDArray[np.uint64]) -> None:
    """Raises ExchangeFileError if an id occurs twice."""
    unique, counts = np.unique(ids, return_counts=True)
    if unique.size != ids.size:
        twice = unique[counts > 1][0]
        raise ExchangeFileError(f"{path}: {name} holds {twice} twice, expected each id once")


def joined(
    blocks: list[npt.NDArray[Any]], row_count: int, rows_at_once: int, dtype: Dtype = "f32"
) -> Iterator[tuple[slice, npt.NDArray[Any]]]:
    """Yields the first `row_count` rows with their blocks side by side, [k, D], some at a time.

    Args:
        blocks: Gradients of each block, [rows, d_b].
        row_count: How many rows.
        rows_at_once: Greatest k.
        dtype: Of the result; other floats are converted to `"f32"`, `"bf16"` are bits.
    """
    dimension = sum(block.shape[1] for block in blocks)
    for start in range(0, row_count, rows_at_once):
        part = slice(start, min(start + rows_at_once, row_count))
        rows = np.empty((part.stop - part.start, dimension), wire_type(dtype))
        with np.errstate(over="ignore"):  # infinity is for the server to reject, by name
            np.concatenate([block[part] for block in blocks], axis=1, out=rows, casting="same_kind")
        yield part, rows
