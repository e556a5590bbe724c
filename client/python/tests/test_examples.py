"""What the documentation shows, executed against the real server."""

from __future__ import annotations

import dataclasses
import doctest
import inspect
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from server_process import ServerProcess

import datainf

READMES = [Path(__file__).parents[1] / "README.md", Path(__file__).parents[3] / "README.md"]


# These need torch; torch_tests/test_run.py runs their examples.
TORCH = ("capture", "lora_blocks")

# What `with` calls, and what subclasses show.
WITHOUT_EXAMPLE = {
    "Client.close",
    "InfluenceMatrix.table",
    "Ranking.table",
    "Result.plot",
    "Result.table",
    "SampleStream.close",
    "Selection.table",
    "Study.table",
    "WriterOptions.wanted_shared_bytes",
}


def documented() -> Iterator[tuple[str, Any]]:
    """Yields the public functions, and the public classes and their public functions."""
    for name in datainf.__all__:
        thing = getattr(datainf, name)
        if inspect.isfunction(thing):
            yield name, thing
        elif inspect.isclass(thing):
            yield name, thing
            for attribute, member in vars(thing).items():
                if inspect.isfunction(member) and not attribute.startswith("_"):
                    yield f"{name}.{attribute}", member


def with_examples() -> list[Any]:
    finder = doctest.DocTestFinder(recurse=False)
    return [
        pytest.param(test, id=name)
        for name, thing in documented()
        if name not in TORCH
        for test in finder.find(thing, name, globs={})
        if test.examples
    ]


@pytest.mark.parametrize("test", with_examples())
def test_example_in_docstring_gives_what_it_shows(
    test: doctest.DocTest,
    server: ServerProcess,
    client: datainf.Client,
    new_run: Callable[..., datainf.Run],
) -> None:
    run = new_run(8, 6)
    with run.writer() as writer:
        writer.add([10, 11], np.ones((2, 14), np.float32))
    test.globs = {
        "datainf": datainf,
        "np": np,
        "target": server.target,
        "client": client,
        "run": run,
    }
    report: list[str] = []
    results = doctest.DocTestRunner().run(test, out=report.append)
    assert results.failed == 0, "".join(report)


def test_everything_public_is_documented() -> None:
    for name, thing in documented():
        text = inspect.getdoc(thing)
        assert text, name
        if inspect.isclass(thing) and dataclasses.is_dataclass(thing):
            told = text + inspect.getsource(thing).partition('"""')[2]
            assert all(f"{field.name}:" in told for field in dataclasses.fields(thing)), (
                f"{name} does not tell each field"
            )


def test_everything_public_has_an_example() -> None:
    shown = {test.values[0].name for test in with_examples()}
    missing = {
        name
        for name, thing in documented()
        if name not in shown | set(TORCH) | WITHOUT_EXAMPLE
        and not (inspect.isclass(thing) and issubclass(thing, Exception))
    }
    assert not missing


def examples_in_readmes() -> list[Any]:
    """Returns the examples of both; those that need a model have their tests in torch_tests."""
    return [
        pytest.param(code, id=f"{readme.parent.name}-{number}")
        for readme in READMES
        for number, code in enumerate(
            re.findall(r"```python\n(.*?)```", readme.read_text(encoding="utf-8"), re.DOTALL)
        )
        if "model" not in code
    ]


@pytest.mark.parametrize("code", examples_in_readmes())
def test_readme_example_runs(
    code: str,
    server: ServerProcess,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert code.count("\n") <= 12, "it says that it is short"
    assert "unix:/tmp/datainf.sock" in code
    monkeypatch.chdir(tmp_path)  # for what it writes
    exec(code.replace("unix:/tmp/datainf.sock", server.target), {})  # noqa: S102
    assert capsys.readouterr().out
