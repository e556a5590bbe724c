"""What the user knows of each sample: labels, losses, texts, looked up by sample id."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt


class SupportsIndex(Protocol):
    """Something that `[sample_id]` takes one value of: a dict, a list, an array, a data set."""

    def __getitem__(self, sample_id: Any, /) -> Any:
        """Returns the value of a sample."""


ById = SupportsIndex | Callable[[int], Any]
"""A value for each sample. `values[sample_id]`: a dict or a pandas Series by id; or a list, an
array or a data set, where the ids are row numbers. Or a function of the sample id."""


def values_of(name: str, values: ById, ids: npt.NDArray[np.uint64]) -> list[Any]:
    """Returns the values of some samples, in the order of their ids.

    Args:
        name: What to call the argument in errors.
        values: The values.
        ids: The samples, [k].

    Raises:
        ValueError: There is none for a sample.
    """
    get = values if callable(values) else values.__getitem__
    found = []
    for sample_id in ids.tolist():
        try:
            found.append(get(sample_id))
        except LookupError:
            raise ValueError(
                f"{name} has nothing for sample id {sample_id}, expected a value for each sample"
            ) from None
    return found


def labels_of(name: str, values: ById, ids: npt.NDArray[np.uint64]) -> npt.NDArray[Any]:
    """Returns labels, [k]: integers or strings. Raises ValueError as `values_of`."""
    return as_labels(name, values_of(name, values, ids))


def as_labels(name: str, values: npt.ArrayLike) -> npt.NDArray[Any]:
    """Returns labels as an array, [k].

    Raises:
        ValueError: They are neither integers nor strings nor booleans.
    """
    array = np.asarray(values)
    if array.ndim != 1 or array.dtype.kind not in "biuU":
        raise ValueError(
            f"{name} has dtype {array.dtype} and shape {list(array.shape)}, expected one integer or"
            " string each"
        )
    return array


def flags_of(name: str, values: ById, ids: npt.NDArray[np.uint64]) -> npt.NDArray[np.bool_]:
    """Returns flags, bool [k].

    Raises:
        ValueError: One is neither true nor false.
    """
    found = np.asarray(values_of(name, values, ids))
    wrong = ~np.isin(found, (0, 1))
    if wrong.any():
        at = int(np.argmax(wrong))
        raise ValueError(
            f"{name} is {found[at].item()!r} for sample id {ids[at]}, expected true or false"
        )
    return found.astype(bool)


def numbers_of(name: str, values: ById, ids: npt.NDArray[np.uint64]) -> npt.NDArray[np.float64]:
    """Returns numbers, float64 [k].

    Raises:
        ValueError: One is not finite.
    """
    found = np.asarray(values_of(name, values, ids), np.float64)
    wrong = ~np.isfinite(found)
    if wrong.any():
        at = int(np.argmax(wrong))
        raise ValueError(f"{name} is {found[at]} for sample id {ids[at]}, expected a finite number")
    return found
