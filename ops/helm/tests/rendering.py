"""Helm, as `helm template` and `helm lint` use it."""

from pathlib import Path
from typing import Any

import helm_python
import yaml

RefusedError = helm_python.HelmError

# 1 is information, such as that a chart has no icon.
WARNING = 2


def render(chart: Path, values: dict[str, Any]) -> list[dict[str, Any]]:
    """Returns the documents of a chart; fails with RefusedError where Helm would."""
    with helm_python.Chart.load(chart) as loaded:
        loaded.validate_schema(loaded.merge_values(values))
        rendered = loaded.render(values, name="run-7", namespace="training")
    documents = [
        document
        for path, manifest in sorted(rendered.items())
        if path.endswith(".yaml")
        for document in yaml.safe_load_all(manifest)
    ]
    return [document for document in documents if document is not None]


def lint(chart: Path, values: dict[str, Any]) -> list[str]:
    """Returns what is wrong with a chart."""
    report = helm_python.lint(chart, values, strict=True, kube_version="v1.29.0")
    messages = [
        f"{message['path']}: {message['error']}"
        for message in report["messages"]
        if message["severity"] >= WARNING
    ]
    return messages + list(report["errors"] or [])
