from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from reference import datainf_scores, exact_scores, worst_relative_error
from test_questions import BY_ID, COUNT, DIMENSIONS, IDS, TRAIN, VAL

import datainf

NewRun = Callable[..., datainf.Run]

EXACT_TOLERANCE = 1e-4
FLIPPED = {sample_id: k < 30 for sample_id, k in BY_ID.items()}


@pytest.fixture
def run(new_run: NewRun) -> datainf.Run:
    run = new_run(*DIMENSIONS)
    with run.writer() as writer:
        writer.add(IDS, TRAIN)
    return run


def relative_errors(scale: float) -> Any:
    """Returns |s - e| / |e| of DataInf for each point, [m]."""
    exact = exact_scores(TRAIN, VAL, DIMENSIONS, scale)
    differences = datainf_scores(TRAIN, VAL, DIMENSIONS, scale) - exact
    return np.linalg.norm(differences, axis=1) / np.linalg.norm(exact, axis=1)


def test_compare_methods_has_the_figures_of_the_run(run: datainf.Run) -> None:
    study = datainf.compare_methods(run, VAL)
    assert [row.method for row in study.rows] == ["datainf", "hessian_free", "lissa", "exact"]
    own = run.compare_methods(VAL)
    for row, agreement in zip(study.rows, own.methods, strict=False):
        np.testing.assert_array_equal(row.pearson, agreement.pearson)
        np.testing.assert_array_equal(row.relative_error, agreement.relative_error)
    np.testing.assert_allclose(study.rows[0].relative_error, relative_errors(0.1), rtol=1e-3)
    assert np.isnan(study.rows[3].pearson).all()
    assert study.rows[3].compute_seconds > 0


def test_damping_study_compares_at_each_scale_and_with_the_runs_own(run: datainf.Run) -> None:
    told: list[float] = []
    study = datainf.damping_study(
        run,
        VAL,
        damping_scales=[0.1, 10.0],
        methods=["datainf"],
        flipped=FLIPPED,
        on_progress=told.append,
    )
    assert [(row.value, row.method) for row in study.rows] == [
        (0.1, "datainf"),
        (0.1, "exact"),
        (10.0, "datainf"),
        (10.0, "exact"),
    ]
    own, _, other, _ = study.rows
    np.testing.assert_allclose(own.relative_error, relative_errors(0.1), rtol=1e-3)
    np.testing.assert_allclose(other.relative_error, relative_errors(10.0), rtol=1e-3)
    assert own.spearman_to_own is not None
    assert other.spearman_to_own is not None
    np.testing.assert_allclose(own.spearman_to_own, 1, rtol=1e-9)
    assert (other.spearman_to_own < 1).all()
    assert told == sorted(told)
    # The scores of the mean are the mean of the scores.
    assert own.detection is not None
    mean = datainf.mislabeled(run, VAL, flipped=FLIPPED).detections[0]
    assert own.detection.auc == pytest.approx(mean.auc, abs=1e-3)


def test_damping_study_without_exact_is_about_stability(run: datainf.Run) -> None:
    study = datainf.damping_study(run, VAL, damping_scales=[0.01], exact=False)
    assert [row.method for row in study.rows] == ["datainf", "hessian_free", "lissa"]
    assert all(np.isnan(row.relative_error).all() for row in study.rows)
    table = study.to_pandas()
    assert table["spearman_to_own"][1] == pytest.approx(1)
    assert study.plot().get_ylabel() == "spearman to own"


def test_rank_study_has_rows_for_each_run(new_run: NewRun, run: datainf.Run) -> None:
    small = new_run(8)
    with small.writer() as writer:
        writer.add(IDS, TRAIN[:, :8])
    study = datainf.rank_study({4: (run, VAL), 1: (small, VAL[:, :8])}, methods=["datainf"])
    table = study.to_pandas()
    assert table["rank"].tolist() == [1, 1, 4, 4]
    assert table["dimension"].tolist() == [8, 8, 24, 24]
    assert table["relative_error"][2] == pytest.approx(relative_errors(0.1).mean(), rel=1e-3)
    assert study.plot().get_xlabel() == "rank"
    page = study.to_html()
    assert "Error and time by LoRA rank" in page
    assert run.run_id in page


def test_scores_of_a_study_are_those_of_the_reference(run: datainf.Run) -> None:
    result = run.query(VAL, method="exact", damping_scale=10.0)
    expected = exact_scores(TRAIN, VAL, DIMENSIONS, 10.0)
    assert worst_relative_error(result.scores, expected) <= EXACT_TOLERANCE
    assert result.scores.shape == (len(VAL), COUNT)


def test_nothing_to_study_is_an_error(run: datainf.Run) -> None:
    with pytest.raises(ValueError, match="runs is empty"):
        datainf.rank_study({})
    with pytest.raises(ValueError, match="damping_scales is empty"):
        datainf.damping_study(run, VAL, damping_scales=[])
    with pytest.raises(ValueError, match="methods is empty"):
        datainf.compare_methods(run, VAL, methods=[])
    with pytest.raises(ValueError, match=r"runs\[2\]\[1\] has shape \[1\]"):
        datainf.rank_study({2: (run, [1.0])})
