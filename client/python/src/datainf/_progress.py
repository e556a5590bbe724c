"""How far a writer is: told to a function, or shown as a bar."""

from __future__ import annotations

import contextlib
import importlib.util
import sys
from collections.abc import Callable, Iterator
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
        self._bar = _tqdm(desc=run_id, unit=" samples")

    def __call__(self, stats: WriterStats) -> None:
        """Moves the bar on."""
        acked_bytes = stats.added_bytes - stats.buffered_bytes
        self._bar.set_postfix_str(f"{acked_bytes / 1e6:.1f} MB", refresh=False)
        self._bar.update(stats.acked_samples - self._bar.n)

    def close(self) -> None:
        """Leaves the bar as it is."""
        self._bar.close()


@contextlib.contextmanager
def share_bar(name: str) -> Iterator[Callable[[float], None] | None]:
    """Shows a bar of the share of some work that is done, if somebody looks.

    Args:
        name: Of the work.

    Yields:
        What to call with the share, 0 to 1; None if nobody looks.
    """
    if not is_wanted():
        yield None
        return
    bar = _tqdm(desc=name, total=1.0, bar_format="{desc}: {percentage:3.0f} %|{bar}| {elapsed}")
    try:
        yield lambda share: bar.update(share - bar.n)
    finally:
        bar.close()


def is_wanted() -> bool:
    """True if somebody looks at the terminal and tqdm is installed."""
    return sys.stderr.isatty() and importlib.util.find_spec("tqdm") is not None


def _tqdm(**options: Any) -> Any:
    try:
        from tqdm.auto import tqdm  # noqa: PLC0415  # optional
    except ImportError as error:
        raise ImportError(
            "a progress bar needs tqdm: pip install 'datainf-client[progress]'"
        ) from error
    return tqdm(**options)
