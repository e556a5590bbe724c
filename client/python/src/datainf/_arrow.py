"""Parquet and Arrow files of samples: one row a sample. Described in README.md. Needs pyarrow."""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from datainf._block import Block
from datainf._definition import Definition, ExchangeFileError, from_json
from datainf._encoding import Dtype, wire_type
from datainf._exchange import Samples, require_distinct
from datainf._reading import StoredSamples

# Rows are gathered to groups of about so many bytes, which bound the memory of writer and reader.
_GROUP_BYTES = 32 << 20
_METADATA = b"datainf"
_BLOCK_PREFIX = "gradient."


def _module(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError:
        raise ExchangeFileError(
            "Parquet and Arrow files need pyarrow: pip install 'datainf-client[arrow]'"
        ) from None


class ArrowSink:
    """Writes a Parquet or an Arrow file, row group by row group."""

    def __init__(
        self,
        path: str | Path,
        file_format: str,
        blocks: tuple[Block, ...],
        stored_dtype: Dtype,
        metadata: str,
    ) -> None:
        """Creates the file; `file_format` is "parquet" or "arrow".

        Raises:
            OSError: It cannot be written.
            ExchangeFileError: pyarrow is missing.
        """
        self._arrow = _module("pyarrow")
        self._blocks = blocks
        element = self._arrow.from_numpy_dtype(wire_type(stored_dtype))
        self._schema = self._arrow.schema(
            [
                ("sample_id", self._arrow.uint64()),
                ("step", self._arrow.int64()),
                ("q", self._list(self._arrow.float64(), len(blocks))),
                *(
                    (_BLOCK_PREFIX + block.name, self._list(element, block.dimension))
                    for block in blocks
                ),
            ],
            metadata={_METADATA: metadata.encode()},
        )
        self._waiting: list[StoredSamples] = []
        self._waiting_bytes = 0
        if file_format == "parquet":
            parquet = _module("pyarrow.parquet")
            self._writer = parquet.ParquetWriter(
                path,
                self._schema,
                use_dictionary=False,
                write_statistics=["sample_id", "step"],
                # Parquet has no 16-bit integers: it would keep two zero bytes an element.
                compression="zstd" if stored_dtype == "bf16" else "none",
                write_page_checksum=True,
            )
        else:
            self._writer = _module("pyarrow.ipc").new_file(str(path), self._schema)

    def write(self, samples: StoredSamples) -> None:
        """Goes on with some samples."""
        self._waiting.append(samples)
        self._waiting_bytes += samples.gradients.nbytes
        if self._waiting_bytes >= _GROUP_BYTES:
            self._write_group()

    def finish(self) -> None:
        """Writes what waits and ends the file."""
        if self._waiting:
            self._write_group()
        self._writer.close()

    def abandon(self) -> None:
        """Lets an unfinished file go."""
        with contextlib.suppress(Exception):  # why it is unfinished matters more
            self._writer.close()

    def _write_group(self) -> None:
        group = self._waiting
        rows = np.concatenate([samples.gradients for samples in group])
        columns = [
            self._arrow.array(np.concatenate([samples.ids for samples in group])),
            self._arrow.array(np.concatenate([samples.steps for samples in group])),
            self._lists(np.concatenate([samples.squared_norms for samples in group]), 2),
        ]
        start = 0
        for index, block in enumerate(self._blocks):
            columns.append(self._lists(rows[:, start : start + block.dimension], 3 + index))
            start += block.dimension
        batch = self._arrow.record_batch(columns, schema=self._schema)
        self._writer.write_batch(batch)
        self._waiting = []
        self._waiting_bytes = 0

    def _list(self, element: Any, length: int) -> Any:
        return self._arrow.list_(self._arrow.field("element", element, nullable=False), length)

    def _lists(self, values: npt.NDArray[Any], column: int) -> Any:
        flat = self._arrow.array(np.ascontiguousarray(values).reshape(-1))
        return self._arrow.FixedSizeListArray.from_arrays(
            flat, type=self._schema.field(column).type
        )


class ArrowFile:
    """An open Parquet or Arrow file. Rows are read group by group.

    Attributes:
        definition: What the file says of the run.
        blocks: The blocks, L of them, in order.
        dtype: `"bf16"` if gradients are bits of bfloat16, else `"f32"`.
        has_other_ids: Always false: ids are integers here.
    """

    def __init__(self, path: str | Path, file_format: str) -> None:
        """Opens the file and compares its columns with its metadata.

        Raises:
            OSError: It cannot be read.
            ExchangeFileError: It has another format, or pyarrow is missing.
        """
        self._path = path
        self._format = file_format
        self._arrow = _module("pyarrow")
        self.has_other_ids = False
        try:
            if file_format == "parquet":
                self._file = _module("pyarrow.parquet").ParquetFile(
                    path, page_checksum_verification=True
                )
                self._schema = self._file.schema_arrow
            else:
                self._file = _module("pyarrow.ipc").open_file(self._arrow.memory_map(str(path)))
                self._schema = self._file.schema
        except self._arrow.ArrowException as error:
            raise ExchangeFileError(f"{path} is no readable {file_format} file: {error}") from None
        self.definition: Definition = self._read_definition()
        self.blocks = self.definition.blocks
        self.dtype: Dtype = self.definition.stored_dtype
        self._require_columns()

    def batches(self, limit: int | None, rows_at_once: int) -> Iterator[Samples]:
        """Returns the first `limit` samples, some at a time.

        Raises:
            ExchangeFileError: A value is missing or wrong; ids are checked at once.
        """
        ids = [batch.column(0) for batch in self._read(["sample_id"], 1 << 20)]
        all_ids = np.concatenate([self._ids(column) for column in ids] or [np.empty(0, np.uint64)])
        if len(all_ids) == 0:
            raise self._error("has no rows, expected at least 1")
        require_distinct(self._path, "sample_id", all_ids)
        return self._batches(len(all_ids) if limit is None else limit, rows_at_once)

    def close(self) -> None:
        """Closes the file."""
        if self._format == "parquet":
            self._file.close()

    def __enter__(self) -> ArrowFile:
        """Returns the file itself."""
        return self

    def __exit__(self, *error: object) -> None:
        """Closes the file."""
        self.close()

    def _batches(self, limit: int, rows_at_once: int) -> Iterator[Samples]:
        names = [_BLOCK_PREFIX + block.name for block in self.blocks]
        has_steps = "step" in self._schema.names
        columns = ["sample_id", *(["step"] if has_steps else []), *names]
        for read in self._read(columns, rows_at_once):
            for start in range(0, min(read.num_rows, limit), rows_at_once):
                batch = read.slice(start, min(rows_at_once, limit - start))
                rows = np.empty(
                    (batch.num_rows, sum(block.dimension for block in self.blocks)),
                    wire_type(self.dtype),
                )
                end = 0
                for name, block in zip(names, self.blocks, strict=True):
                    values = self._values(batch.column(name), name, block)
                    with np.errstate(over="ignore"):  # the server rejects infinity, by name
                        rows[:, end : end + block.dimension] = values
                    end += block.dimension
                steps = self._steps(batch.column("step")) if has_steps else None
                yield Samples(self._ids(batch.column("sample_id")), steps, rows)
            limit -= read.num_rows
            if limit <= 0:
                return

    def _read(self, columns: list[str], rows_at_once: int) -> Iterator[Any]:
        """Yields record batches of these columns."""
        try:
            if self._format == "parquet":
                yield from self._file.iter_batches(batch_size=rows_at_once, columns=columns)
            else:
                for index in range(self._file.num_record_batches):
                    batch = self._file.get_batch(index)
                    yield batch.select(columns)
        except (self._arrow.ArrowException, OSError) as error:
            raise self._error(f"cannot be read: {error}") from None

    def _read_definition(self) -> Definition:
        metadata = (self._schema.metadata or {}).get(_METADATA)
        if metadata is None:
            raise self._error("has no metadata 'datainf', expected a file as export writes it")
        return from_json(self._path, metadata)

    def _require_columns(self) -> None:
        types = self._arrow.types
        self._require_column("sample_id", "integers", types.is_integer)
        if "step" in self._schema.names:
            self._require_column("step", "integers", types.is_integer)
        bits = self.dtype == "bf16"
        elements = "uint16, the bits of bfloat16" if bits else "floats"
        for block in self.blocks:
            self._require_column(
                _BLOCK_PREFIX + block.name,
                f"lists of {block.dimension} {elements}",
                lambda t, d=block.dimension: (
                    (types.is_list(t) or types.is_large_list(t) or types.is_fixed_size_list(t))
                    and (not types.is_fixed_size_list(t) or t.list_size == d)
                    and (types.is_uint16 if bits else types.is_floating)(t.value_type)
                ),
            )

    def _require_column(self, name: str, expected: str, right: Any) -> None:
        found = [field.type for field in self._schema if field.name == name]
        if len(found) != 1:
            raise self._error(f"has {len(found)} columns {name!r}, expected one of {expected}")
        if not right(found[0]):
            raise self._error(f"column {name!r} has type {found[0]}, expected {expected}")

    def _ids(self, column: Any) -> npt.NDArray[np.uint64]:
        return self._integers(column, "sample_id", self._arrow.uint64())

    def _steps(self, column: Any) -> npt.NDArray[np.int64]:
        return self._integers(column, "step", self._arrow.int64())

    def _integers(self, column: Any, name: str, type_: Any) -> npt.NDArray[Any]:
        self._require_no_nulls(column, name)
        try:
            numbers: npt.NDArray[Any] = column.cast(type_).to_numpy(zero_copy_only=False)
        except self._arrow.ArrowException as error:
            raise self._error(f"column {name!r}: {error}, expected {type_}") from None
        return numbers

    def _values(self, column: Any, name: str, block: Block) -> npt.NDArray[Any]:
        self._require_no_nulls(column, name)
        flat = column.flatten()
        self._require_no_nulls(flat, name)
        lengths = column.value_lengths().to_numpy(zero_copy_only=False)
        wrong = lengths[lengths != block.dimension]
        if wrong.size:
            raise self._error(
                f"column {name!r} has a list of {wrong[0]}, expected {block.dimension}: the block"
                f" is {block.rows} by {block.columns}"
            )
        values: npt.NDArray[Any] = flat.to_numpy(zero_copy_only=False)
        return values.reshape(-1, block.dimension)

    def _require_no_nulls(self, column: Any, name: str) -> None:
        if column.null_count:
            raise self._error(f"column {name!r} has nulls, expected none")

    def _error(self, problem: str) -> ExchangeFileError:
        return ExchangeFileError(f"{self._path}: {problem}")
