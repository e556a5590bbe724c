"""How far a writer is: told to a function, or shown as a bar."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from typing import Any

from datainf._stats import WriterStats

Progress = Callable[[WriterStats], None]
"""Called by a writer's thread after each ack. Should return soon; what it raises is logged."""


class ProgressBar:
    """Shows acked samples by tqdm."""

    def __init__(self, run_id: str) -> None:
        """Shows the bar.

        Raises:
            ImportError: tqdm is not installed.
        """
        try:
            from tqdm.auto import tqdm  # noqa: PLC0415  # optional
        except ImportError as error:
            raise ImportError(
                "a progress bar needs tqdm: pip install 'datainf-client[progress]'"
            ) from error
        self._bar: Any = tqdm(desc=run_id, unit=" samples")

    def __call__(self, stats: WriterStats) -> None:
        """Moves the bar on."""
        acked_bytes = stats.added_bytes - stats.buffered_bytes
        self._bar.set_postfix_str(f"{acked_bytes / 1e6:.1f} MB", refresh=False)
        self._bar.update(stats.acked_samples - self._bar.n)

    def close(self) -> None:
        """Leaves the bar as it is."""
        self._bar.close()


def is_wanted() -> bool:
    """True if somebody looks at the terminal and tqdm is installed."""
    return sys.stderr.isatty() and importlib.util.find_spec("tqdm") is not None
