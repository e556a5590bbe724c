"""Client of the DataInf sidecar."""

from importlib.metadata import version

__version__ = version("datainf-client")

__all__ = ["__version__"]
