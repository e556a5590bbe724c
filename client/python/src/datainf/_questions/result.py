"""What all results have in common."""

from __future__ import annotations

import abc
import os
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import numpy.typing as npt

from datainf._questions.by_id import ById
from datainf._questions.page import Markup, page, written
from datainf._questions.scores import SIGNED
from datainf._tables import Sign, arrow_table, in_sign, pandas_table

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

_Scalar = TypeVar("_Scalar", bound=np.generic)

DEFAULT_ROWS = 100


class Result(abc.ABC):
    """The answer to a question: a table, a chart and a page. Immutable.

    Scores have the paper's sign (DataInf, arXiv 2310.00902): **negative = helpful, positive =
    harmful**. Where a method takes `sign`, `"dattri"` gives that of dattri, captum, LogIX and
    kronfluence: positive = helpful. Only the columns `datainf`, `hessian_free`, `lissa`,
    `lissa_reference`, `exact` and `cosine` have a sign; `squared_norm`, `self_influence` and `loss`
    are magnitudes, the greater the more suspicious.

    Example:
        >>> validation = np.ones(run.dimension, np.float32)
        >>> result = datainf.most_harmful(run, validation, k=1)
        >>> bool(result.to_pandas(sign="dattri")["datainf"][0] == -result.scores[0])
        True
    """

    __slots__ = ()

    @abc.abstractmethod
    def table(self, *, sign: Sign = "paper") -> dict[str, npt.NDArray[Any]]:
        """Returns the columns of the table by name, of equal lengths; `sign` as for `to_pandas`."""

    @abc.abstractmethod
    def _page(
        self, texts: ById | None, images: ById | None, rows: int, sign: Sign
    ) -> tuple[str, list[Markup]]:
        """Returns title and parts of the page."""

    @abc.abstractmethod
    def plot(self, ax: Any = None) -> Any:
        """Draws the result.

        Args:
            ax: Axes of matplotlib to draw on; None: those of a new figure.

        Returns:
            The axes.

        Raises:
            ImportError: matplotlib is not installed.
        """

    def to_pandas(self, *, sign: Sign = "paper") -> pd.DataFrame:
        """Returns the table as a data frame.

        Args:
            sign: Of the scores: `"paper"`: negative = helpful; `"dattri"`: positive = helpful.

        Raises:
            ImportError: pandas is not installed.
            ValueError: There is no such sign.

        Example:
            >>> result = datainf.most_harmful(run, np.ones(run.dimension), baselines=False)
            >>> list(result.to_pandas().columns)
            ['rank', 'sample_id', 'datainf']
        """
        return pandas_table(self.table(sign=sign))

    def to_arrow(self, *, sign: Sign = "paper") -> pa.Table:
        """Returns the table as one of Arrow. Arguments and errors as `to_pandas`, with pyarrow.

        Example:
            >>> datainf.most_harmful(run, np.ones(run.dimension)).to_arrow().num_rows
            2
        """
        return arrow_table(self.table(sign=sign))

    def to_html(
        self,
        path: str | os.PathLike[str] | None = None,
        *,
        texts: ById | None = None,
        images: ById | None = None,
        rows: int = DEFAULT_ROWS,
        sign: Sign = "paper",
    ) -> str:
        """Returns the result as one HTML file, which holds all that it needs, and no script.

        Args:
            path: Where to write it too; None: nowhere.
            texts: Text of each sample, shown beside its scores: `texts[sample_id]` of a dict, list
                or data set, or a function of the id. It is escaped.
            images: Picture of each sample, likewise: bytes or the path of a PNG, JPEG, GIF or WebP
                file, an array [h, w] or [h, w, 3] (uint8, or floats from 0 to 1), or Pillow's.
            rows: Most samples to show in a list.
            sign: As for `to_pandas`.

        Raises:
            OSError: A file cannot be read or written.
            ValueError: There is no text or picture for a sample that is shown, or it cannot be
                shown; there is no such sign.

        Example:
            >>> result = datainf.most_harmful(run, np.ones(run.dimension))
            >>> "a &lt; b" in result.to_html(texts={10: "a < b", 11: "other"})
            True
        """
        if rows < 1:
            raise ValueError(f"rows is {rows}, expected at least 1")
        title, parts = self._page(texts, images, rows, sign)
        return written(page(title, parts, sign), path)


def in_sign_of(name: str, column: npt.NDArray[np.float64], sign: Sign) -> npt.NDArray[np.float64]:
    """Returns a column in the sign asked for, if it has one."""
    converted = in_sign(column, sign)
    return converted if name in SIGNED else column


def read_only(array: npt.NDArray[_Scalar]) -> npt.NDArray[_Scalar]:
    """Returns a view that refuses changes."""
    view = array.view()
    view.flags.writeable = False
    return view


def read_only_columns(
    columns: Mapping[str, npt.NDArray[_Scalar]],
) -> Mapping[str, npt.NDArray[_Scalar]]:
    """Returns columns that refuse changes."""
    return MappingProxyType({name: read_only(column) for name, column in columns.items()})
