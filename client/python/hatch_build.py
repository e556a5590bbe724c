"""Generates src/datainf/_proto from the protos each time the package is built or installed."""

import importlib.util
import shutil
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class ProtoBuildHook(BuildHookInterface):
    """Runs protoc before the wheel, editable or not, is put together."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002
        """Writes the stubs; called by hatchling."""
        root = Path(self.root)
        # A source archive holds a copy of the protos; a clone has them at its top.
        candidates = [root / "proto", root.parent.parent / "proto"]
        protos = next((path for path in candidates if (path / "datainf").is_dir()), None)
        if protos is None:
            raise FileNotFoundError(f"no folder datainf in any of {candidates}")
        generate(protos, root / "src" / "datainf" / "_proto")


def generate(protos: Path, target: Path) -> None:
    """Replaces `target` by the modules of `protos`/datainf: `datainf/v1/x.proto` to `v1/x_pb2.py`.

    protoc takes the folder of a proto for its Python package and writes `from datainf.v1 import
    x_pb2`. The modules live in `datainf._proto.v1`, so that prefix is put in.
    """
    from grpc_tools import protoc  # noqa: PLC0415  # only there while building

    spec = importlib.util.find_spec("google.rpc.status_pb2")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("googleapis-common-protos is missing")
    google_rpc = Path(spec.origin).parents[2]
    well_known = Path(protoc.__file__).parent / "_proto"
    sources = sorted(str(path.relative_to(protos)) for path in protos.glob("datainf/**/*.proto"))
    with tempfile.TemporaryDirectory() as output:
        arguments = [
            "protoc",
            *(f"-I{path}" for path in (protos, google_rpc, well_known)),
            *(f"--{kind}_out={output}" for kind in ("python", "pyi", "grpc_python")),
            *sources,
        ]
        if protoc.main(arguments) != 0:
            raise RuntimeError("protoc failed: " + " ".join(arguments))
        package = Path(output) / "datainf"
        for module in [*package.rglob("*.py"), *package.rglob("*.pyi")]:
            text = module.read_text(encoding="utf-8")
            module.write_text(
                text.replace("\nfrom datainf.", "\nfrom datainf._proto."), encoding="utf-8"
            )
        for folder in [package, *(path for path in package.rglob("*") if path.is_dir())]:
            (folder / "__init__.py").write_text('"""Generated from proto/datainf."""\n', "utf-8")
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(package, target)
