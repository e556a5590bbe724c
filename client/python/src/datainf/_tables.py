"""Results as tables of other libraries, and in the sign that other libraries use."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

Sign = Literal["paper", "dattri"]
"""The sign of scores. `"paper"` (DataInf, arXiv 2310.00902), used unless asked otherwise:
negative = helpful. `"dattri"`: positive = helpful, as in dattri, captum, LogIX, kronfluence."""


def in_sign(scores: npt.NDArray[np.float64], sign: Sign) -> npt.NDArray[np.float64]:
    """Returns scores, which have the paper's sign, in the sign asked for: themselves or negated.

    Raises:
        ValueError: There is no such sign.
    """
    if sign not in ("paper", "dattri"):
        raise ValueError(f"sign is {sign!r}, expected 'paper' or 'dattri'")
    return scores if sign == "paper" else 0.0 - scores  # no zero becomes -0.0


def pandas_table(columns: Mapping[str, npt.NDArray[Any]]) -> pd.DataFrame:
    """Returns the columns, [k] each, as a data frame.

    Raises:
        ImportError: pandas is not installed.
    """
    try:
        import pandas as pd  # noqa: PLC0415  # optional
    except ImportError as error:
        raise ImportError("to_pandas needs pandas: pip install 'datainf-client[pandas]'") from error
    return pd.DataFrame(dict(columns))


def arrow_table(columns: Mapping[str, npt.NDArray[Any]]) -> pa.Table:
    """Returns the columns, [k] each, as a table of Arrow.

    Raises:
        ImportError: pyarrow is not installed.
    """
    try:
        import pyarrow as pa  # noqa: PLC0415  # optional
    except ImportError as error:
        raise ImportError("to_arrow needs pyarrow: pip install 'datainf-client[arrow]'") from error
    return pa.table({name: pa.array(column) for name, column in columns.items()})
