"""The commands `top`, `mislabeled`, `watch` and `completion`."""

from __future__ import annotations

import os
import pty
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from reference import datainf_scores, worst_relative_error
from server_process import ServerProcess, running_server

import datainf
from datainf import _progress
from datainf._cli import main, watch

FLOAT32_TOLERANCE = 1e-5
COUNT = 60


@pytest.fixture
def arrays() -> dict[str, Any]:
    rng = np.random.default_rng(0)
    train = rng.standard_normal((COUNT, 6)).astype(np.float32)
    return {
        "block_names": np.array(["layer.lora_A"]),
        "block_shapes": np.array([[2, 3]]),
        "train.0": train,
        "val.0": train[:4] + train[4:8],
        "ids": np.arange(COUNT)[::-1],
        "flipped": np.arange(COUNT) % 5 == 0,
        "labels": np.array(["cat", "dog"] * (COUNT // 2)),
        "val_labels": np.array(["cat", "cat", "cat", "dog"]),
        "losses": np.linspace(0, 1, COUNT),
    }


@pytest.fixture
def pushed(
    server: ServerProcess,
    arrays: dict[str, Any],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    request: pytest.FixtureRequest,
) -> list[str]:
    """Returns the arguments that name a file and the run that holds its samples."""
    path = tmp_path / "example.npz"
    np.savez(path, **arrays)
    name = "".join(c if c.isalnum() else "-" for c in request.node.name)[:64].strip("-")
    common = [str(path), "--run", name, "--target", server.target]
    assert main(["push", *common]) == 0
    capsys.readouterr()
    return common


def test_mislabeled_prints_writes_and_tells_how_well(
    pushed: list[str], arrays: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, page, texts = (tmp_path / name for name in ("out.npz", "out.html", "texts.txt"))
    texts.write_text("\n".join(f"text <{k}>" for k in range(COUNT)), encoding="utf-8")
    command = ["mislabeled", *pushed, "-k", "3", "--out", str(out), "--html", str(page)]
    assert main([*command, "--texts", str(texts)]) == 0
    header, columns, *lines = capsys.readouterr().out.splitlines()
    assert "n = 60" in header
    assert "negative = helpful, positive = harmful" in header
    assert columns.split() == [
        "rank",
        "sample_id",
        "datainf",
        "hessian_free",
        "cosine",
        "squared_norm",
        "self_influence",
        "loss",
    ]
    assert [line.split()[0] for line in lines[:3]] == ["1", "2", "3"]
    assert lines[3].startswith("AUC of flipped labels")
    assert [line.split()[0] for line in lines[4:10]] == columns.split()[2:]
    with np.load(out) as answer:
        expected = datainf_scores(arrays["train.0"], arrays["val.0"], [6]).mean(axis=0)
        order = COUNT - 1 - answer["sample_id"].astype(int)  # ids are in reverse
        assert worst_relative_error(answer["datainf"], expected[order]) <= FLOAT32_TOLERANCE
        np.testing.assert_array_equal(answer["flagged"], arrays["flipped"][order])
        np.testing.assert_array_equal(answer["label"], arrays["labels"][order])
        first = int(answer["sample_id"][0])
    assert f"text &lt;{first}&gt;" in page.read_text(encoding="utf-8")


def test_top_takes_ranking_aggregation_and_sign(
    pushed: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    shown = {}
    for ranking in ("most_harmful", "most_helpful"):
        for sign in ("paper", "dattri"):
            command = ["top", *pushed, "-k", "2", "--ranking", ranking, "--sign", sign]
            assert main([*command, "--aggregation", "per_label", "--no-self-influence"]) == 0
            _, columns, first, *_ = capsys.readouterr().out.splitlines()
            assert "self_influence" not in columns
            shown[ranking, sign] = first.split()[1], float(first.split()[2])
    assert shown["most_harmful", "paper"][1] > 0 > shown["most_helpful", "paper"][1]
    for ranking in ("most_harmful", "most_helpful"):
        sample_id, score = shown[ranking, "paper"]
        assert shown[ranking, "dattri"] == (sample_id, -score)


def test_what_the_file_lacks_is_named(
    pushed: list[str], arrays: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    for changes, message in (
        ({"val_labels": None}, "validation_labels is missing"),
        ({"labels": None}, "labels is missing"),
        ({"labels": np.zeros((COUNT, 2))}, "labels has shape (60, 2), expected one value"),
        ({"labels": np.zeros(3, int)}, "ids has shape (60,), expected [3]"),
        ({"losses": np.full(COUNT, np.nan)}, "losses is nan for sample id"),
    ):
        changed = {k: v for k, v in {**arrays, **changes}.items() if v is not None}
        np.savez(pushed[0], **changed)
        assert main(["top", *pushed, "--aggregation", "per_label"]) == 1
        error = capsys.readouterr().err
        assert error.startswith("datainf top: ")
        assert message in error


def test_texts_are_looked_for_before_anything_is_asked(
    pushed: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    texts = str(tmp_path / "none.txt")
    for options, message in (
        (["--texts", texts], "give --html OUT.html too"),
        (["--texts", texts, "--html", str(tmp_path / "page.html")], f"{texts}: No such file"),
    ):
        assert main(["mislabeled", *pushed, *options]) == 1
        output = capsys.readouterr()
        assert message in output.err
        assert not output.out


def test_watch_prints_a_line_each_time(
    pushed: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["watch", *pushed[1:], "--count", "2", "--interval", "0.001"]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert "n = 60, revision 60, 100% in memory" in first
    assert "0.0 changes/s (0.0 MB/s)" in second


def test_watch_replaces_its_line_on_a_terminal(pushed: list[str]) -> None:
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "datainf", "watch", *pushed[1:], "--count", "2"]
    done = subprocess.run([*command, "--interval", "0.001"], stdout=theirs, timeout=120, check=True)  # noqa: S603
    os.close(theirs)
    assert done.returncode == 0
    shown = os.read(ours, 10_000).decode()
    os.close(ours)
    assert shown.count("\r\x1b[K") == 2
    assert shown.count("\n") == 1


def test_watch_goes_on_while_the_server_is_away_and_ends_with_an_interrupt(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lines: list[str] = []
    waits: list[float] = []
    monkeypatch.setattr(watch, "_show", lambda line, _: lines.append(line))
    with running_server() as server:
        with datainf.Client(server.target) as client:
            client.create_run("away", [datainf.Block("b", 1, 2)])

        def wait(seconds: float) -> None:
            waits.append(seconds)
            if len(waits) == 1:
                server.stop()
            elif len(waits) == 2:
                server.start()
            elif "n = 0" in lines[-1]:
                raise KeyboardInterrupt
            else:  # until the channel tries again
                threading.Event().wait(0.05)
            assert len(waits) < 2000

        monkeypatch.setattr(watch, "_wait", wait)
        command = ["watch", "--run", "away", "--target", server.target, "--interval", "7"]
        assert main(command) == 0
    assert set(waits) == {7.0}
    assert "n = 0" in lines[0]
    assert lines[1].startswith("away: no answer")


def test_watch_of_nothing_is_an_error(
    server: ServerProcess, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["watch", "--run", "nope", "--target", server.target]) == 1
    assert "nope" in capsys.readouterr().err
    for arguments in (["--interval", "0"], ["--count", "0"]):
        with pytest.raises(SystemExit) as failure:
            main(["watch", "--run", "nope", *arguments])
        assert failure.value.code == 2


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_completion_is_a_script_that_knows_commands_and_files(
    shell: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main(["completion", shell]) == 0
    script = capsys.readouterr().out
    for word in ("mislabeled", "--aggregation", "per_label", "watch"):
        assert word in script
    assert {"bash": "_shtab_compgen_files", "zsh": "_files"}[shell] in script
    path = tmp_path / "script"
    path.write_text(script, encoding="utf-8")
    executable = shutil.which(shell)
    if executable is not None:
        subprocess.run([executable, "-n", str(path)], timeout=60, check=True)  # noqa: S603


def test_bash_completes_commands(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("bash is not installed")
    assert main(["completion", "bash"]) == 0
    script = capsys.readouterr().out
    function = next(line.split()[-2] for line in script.splitlines() if "complete -o" in line)
    path = tmp_path / "script"
    ask = f"\nCOMP_WORDS=(datainf mis); COMP_CWORD=1; {function}; echo ${{COMPREPLY[*]}}\n"
    path.write_text(script + ask, encoding="utf-8")
    shown = subprocess.check_output([bash, str(path)], text=True, timeout=60)  # noqa: S603
    assert shown.split() == ["mislabeled"]


def test_completion_without_shtab_says_what_to_install(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "shtab", None)
    assert main(["completion", "bash"]) == 1
    assert "pip install 'datainf-client[completion]'" in capsys.readouterr().err


def test_long_work_shows_a_bar_if_somebody_looks(
    pushed: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_progress, "is_wanted", lambda: True)
    assert main(["mislabeled", *pushed]) == 0
    assert "100 %" in capsys.readouterr().err
    with _progress.share_bar("some work") as tell:
        assert tell is not None
        tell(0.5)
    assert "some work:  50 %" in capsys.readouterr().err
