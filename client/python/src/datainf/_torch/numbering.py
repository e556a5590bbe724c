"""Ids that travel with the samples of a data set, through collators, into batches."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch.utils.data import Dataset, IterableDataset

# The column of a sample, and key of a batch, that holds the ids.
ID_COLUMN = "datainf_id"

_MOST = 2**63 - 1  # ids travel as int64 tensors


def numbered(dataset: Any, id_column: str | None) -> Dataset[Any]:
    """Returns a data set whose samples are those of `dataset` with a column of ids.

    Args:
        dataset: Of mappings from column to value.
        id_column: The column that is each sample's id; None: its index.

    Raises:
        TypeError: There is no data set.
        ValueError: There is no index, as the data set is iterable, and no column; or it has no
            length.
    """
    if dataset is None:
        raise TypeError("the data set is None, expected one of mappings from column to value")
    iterable = isinstance(dataset, IterableDataset) or not hasattr(dataset, "__getitem__")
    name = type(dataset).__name__
    if iterable and id_column is None:
        raise ValueError(
            f"the data set, a {name}, is iterable, so that its samples have no index to be their"
            " id: give each an id in a column, and pass DataInfCallback(id_column=...)"
        )
    if iterable:
        return _NumberedStream(dataset, str(id_column))
    if not hasattr(dataset, "__len__"):
        raise ValueError(
            f"the data set, a {name}, has no length, so that not all of its samples can be found:"
            " define __len__"
        )
    return _Numbered(dataset, id_column)


class CarryIds:
    """A collator that hands the ids on around another, which never sees them."""

    def __init__(self, collator: Callable[[list[Any]], Any]) -> None:
        """Wraps a collator of mappings."""
        self._collator = collator

    def __call__(self, features: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Returns the batch of the collator, with the ids, int64, [B].

        Raises:
            TypeError: The collator returned something else than a mapping.
        """
        ids = [feature[ID_COLUMN] for feature in features]
        batch = self._collator([_without_id(feature) for feature in features])
        if not isinstance(batch, Mapping):
            raise TypeError(
                f"data_collator returned a {type(batch).__name__}, expected a mapping from the"
                " arguments of the model to tensors"
            )
        return {**batch, ID_COLUMN: torch.tensor(ids, dtype=torch.int64)}


class _Numbered(Dataset[Any]):
    def __init__(self, dataset: Any, id_column: str | None) -> None:
        self._dataset = dataset
        self._id_column = id_column

    def __len__(self) -> int:
        return len(self._dataset)

    def __getitem__(self, index: int) -> dict[str, Any]:
        return _with_id(self._dataset[index], index, self._id_column)

    def __getitems__(self, indices: list[int]) -> list[dict[str, Any]]:
        fetch = getattr(self._dataset, "__getitems__", None)
        samples = [self._dataset[index] for index in indices] if fetch is None else fetch(indices)
        pairs = zip(indices, samples, strict=True)
        return [_with_id(sample, index, self._id_column) for index, sample in pairs]

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return (self[index] for index in range(len(self)))


class _NumberedStream(IterableDataset[Any]):
    def __init__(self, dataset: Any, id_column: str) -> None:
        self._dataset = dataset
        self._id_column = id_column

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for index, sample in enumerate(self._dataset):
            yield _with_id(sample, index, self._id_column)

    def set_epoch(self, epoch: int) -> None:
        """Hands the epoch on to data sets that shuffle by it."""
        if hasattr(self._dataset, "set_epoch"):
            self._dataset.set_epoch(epoch)


def _with_id(sample: Any, index: int, id_column: str | None) -> dict[str, Any]:
    if not isinstance(sample, Mapping):
        raise TypeError(
            f"sample {index} of the data set is a {type(sample).__name__}, expected a mapping from"
            " column to value"
        )
    if id_column is None:
        return {**sample, ID_COLUMN: index}
    if id_column not in sample:
        raise ValueError(
            f"sample {index} has no column {id_column!r}, which id_column names; it has"
            f" {list(sample)}"
        )
    return {**sample, ID_COLUMN: _checked(sample[id_column], index, id_column)}


def _checked(value: Any, index: int, id_column: str) -> int:
    try:
        found = operator.index(value)
    except TypeError:
        found = -1
    if not 0 <= found <= _MOST:
        raise ValueError(
            f"column {id_column!r} of sample {index} is {value!r}, expected an integer id from 0 to"
            " 2^63 - 1"
        )
    return found


def _without_id(feature: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in feature.items() if key != ID_COLUMN}
