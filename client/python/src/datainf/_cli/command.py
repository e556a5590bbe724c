"""The command as a whole: its parser, and what is common to all subcommands."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

import datainf
from datainf._cli import analysis, completion, queries, questions, runs, transfer, watch
from datainf._cli.common import FAILED, Parents


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command.

    Args:
        arguments: What follows the name of the command; None: those of this process.

    Returns:
        The exit status: 0, 1 after an error, 2 for wrong usage, 3 if a push had samples rejected.
    """
    options = parser().parse_args(arguments)
    try:
        if options.name == "completion":
            return completion.print_script(parser(), options.shell)
        with datainf.Client(options.target) as client:
            status: int = options.command(client, options)
            return status
    except datainf.UnavailableError as error:
        there = f"does a server answer at --target {options.target}?"
        print(f"datainf {options.name}: {error}: {there}", file=sys.stderr)
    except (datainf.DataInfError, ImportError, OSError, ValueError) as error:
        print(f"datainf {options.name}: {_described(error)}", file=sys.stderr)
    except KeyboardInterrupt:
        print(f"datainf {options.name}: interrupted", file=sys.stderr)
    return FAILED


def _described(error: Exception) -> str:
    if isinstance(error, OSError) and error.filename is not None and error.strerror is not None:
        return f"{error.filename}: {error.strerror}"
    return str(error)


def parser() -> argparse.ArgumentParser:
    """Returns the parser of the command."""
    whole = argparse.ArgumentParser(
        prog="datainf",
        description="Client of the DataInf sidecar. Negative score = helpful, positive = harmful.",
    )
    whole.add_argument("--version", action="version", version=f"datainf {datainf.__version__}")
    commands = whole.add_subparsers(dest="name", metavar="COMMAND", required=True)

    server = argparse.ArgumentParser(add_help=False)
    server.add_argument(
        "--target",
        default=os.environ.get("DATAINF_TARGET", "127.0.0.1:50051"),
        help="unix:/path/of/socket or host:port (DATAINF_TARGET if set: %(default)s)",
    )
    run = argparse.ArgumentParser(add_help=False, parents=[server])
    run.add_argument("--run", required=True, help="the run's id")
    parents = Parents(server=server, run=run)
    for module in (transfer, queries, questions, analysis, watch, runs):
        module.add(commands, parents)
    completion.add(commands)
    return whole
