"""The command `datainf`."""

from datainf._cli.command import main

__all__ = ["main"]
