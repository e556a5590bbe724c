"""`datainf watch`: a run as it grows."""

from __future__ import annotations

import argparse
import datetime
import itertools
import shutil
import sys
import time
from typing import Any, NamedTuple

import datainf
from datainf._cli.common import OK, Parents, positive

_BYTES = {"f32": 4, "bf16": 2}


class _Seen(NamedTuple):
    """A run at one time.

    Attributes:
        seconds: When, on a clock that only goes on.
        run: The run.
    """

    seconds: float
    run: datainf.Run


def add(commands: Any, parents: Parents) -> None:
    """Adds the command."""
    watch = commands.add_parser(
        "watch",
        parents=[parents.run],
        help="show how a run grows, until Ctrl-C",
        description="Asks for the run again and again. On a terminal the line is replaced in"
        " place, otherwise a line is printed each time. Goes on while the server restarts.",
    )
    watch.add_argument(
        "--interval", type=_seconds, default=2.0, metavar="S", help="seconds (%(default)s)"
    )
    watch.add_argument("--count", type=positive, metavar="N", help="stop after N lines")
    watch.set_defaults(command=_watch)


def _watch(client: datainf.Client, options: argparse.Namespace) -> int:
    is_terminal = sys.stdout.isatty()
    before: _Seen | None = None
    try:
        for number in itertools.count(1):
            try:
                now = _Seen(time.monotonic(), client.run(options.run))
                line = _line(before, now)
                before = now
            except datainf.UnavailableError as error:
                if before is None:
                    raise
                line = f"{options.run}: no answer: {error}"
            _show(line, is_terminal)
            if number == options.count:
                break
            _wait(options.interval)
    except KeyboardInterrupt:
        pass  # the way to end it
    if is_terminal:
        print()
    return OK


def _wait(seconds: float) -> None:
    time.sleep(seconds)


def _line(before: _Seen | None, now: _Seen) -> str:
    run = now.run
    rate = ""
    if before is not None and now.seconds > before.seconds:
        changes = (run.revision - before.run.revision) / (now.seconds - before.seconds)
        megabytes = changes * run.dimension * _BYTES[run.stored_dtype] / 1e6
        rate = f", {changes:,.1f} changes/s ({megabytes:,.1f} MB/s)"
    resident = run.resident_sample_count / run.sample_count if run.sample_count else 1.0
    damage = f", {run.damaged_sample_count} DAMAGED" if run.damaged_sample_count else ""
    clock = datetime.datetime.now().astimezone().strftime("%H:%M:%S")
    return (
        f"{clock} {run.run_id}: n = {run.sample_count:,}, revision {run.revision:,}{rate},"
        f" {resident:.0%} in memory{damage}"
    )


def _show(line: str, is_terminal: bool) -> None:
    if is_terminal:
        # One line, or it could not be replaced: to its beginning, and away with what was there.
        width = shutil.get_terminal_size().columns
        print(f"\r\x1b[K{line[: width - 1]}", end="", flush=True)
    else:
        print(line, flush=True)


def _seconds(text: str) -> float:
    value = float(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is not more than 0")
    return value
