"""The command `datainf`. Placeholder: prints the version."""

import datainf


def main() -> None:
    """Runs the command."""
    print(f"datainf {datainf.__version__}")
