"""`datainf completion`: completion for shells, by shtab."""

from __future__ import annotations

import argparse
from typing import Any

from datainf._cli.common import OK


def add(commands: Any) -> None:
    """Adds the command."""
    completion = commands.add_parser(
        "completion",
        help="print a script that completes this command in a shell",
        description='Prints a script. bash: eval "$(datainf completion bash)" in ~/.bashrc; zsh:'
        " write it to _datainf in a folder of $fpath.",
    )
    completion.add_argument("shell", choices=["bash", "zsh", "tcsh"])


def print_script(parser: argparse.ArgumentParser, shell: str) -> int:
    """Prints the script for a shell; returns the exit status.

    Raises:
        ImportError: shtab is not installed.
    """
    try:
        import shtab  # noqa: PLC0415  # optional
    except ImportError as error:
        raise ImportError(
            "completion needs shtab: pip install 'datainf-client[completion]'"
        ) from error
    _complete_files(parser, shtab.FILE)
    print(shtab.complete(parser, shell))
    return OK


def _complete_files(parser: argparse.ArgumentParser, how: Any) -> None:
    """Says which arguments are files: those whose metavar is FILE.npz or the like."""
    for action in parser._actions:  # argparse has no other way to ask
        if isinstance(action, argparse._SubParsersAction):
            for each in action.choices.values():
                _complete_files(each, how)
        elif isinstance(action.metavar, str) and action.metavar.split(".")[0] in ("FILE", "OUT"):
            action.complete = how  # type: ignore[attr-defined]
