from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import datainf


@pytest.fixture
def runs(new_run: Callable[..., datainf.Run]) -> list[datainf.Run]:
    """Two runs with the same samples, stored in other orders, and one with a sample more."""
    rng = np.random.default_rng(0)
    gradients = rng.standard_normal((4, 6))
    made = [new_run(6) for _ in range(3)]
    for run, ids in zip(made, [[0, 1, 2], [2, 0, 1], [0, 1, 2, 3]], strict=True):
        with run.writer() as writer:
            writer.add(ids, gradients[ids])
    return made


def test_scores_are_added_by_id(runs: list[datainf.Run]) -> None:
    point = np.ones((2, 6))
    first, second = (run.query(point, method="hessian_free") for run in runs[:2])
    combined = datainf.combine_checkpoints([first, second], [0.5, 0.25])
    assert combined.ids.tolist() == [0, 1, 2]
    np.testing.assert_allclose(combined.scores, 0.75 * first.scores, rtol=1e-6)


def test_results_that_do_not_fit_are_refused(runs: list[datainf.Run]) -> None:
    one = runs[0].query(np.ones(6))
    with pytest.raises(ValueError, match="1 results and 2 weights"):
        datainf.combine_checkpoints([one], [1, 2])
    with pytest.raises(ValueError, match="0 results and 0 weights"):
        datainf.combine_checkpoints([], [])
    with pytest.raises(ValueError, match="expected finite numbers"):
        datainf.combine_checkpoints([one], [np.nan])
    with pytest.raises(ValueError, match="3 is in one only; ask both for ids="):
        datainf.combine_checkpoints([one, runs[2].query(np.ones(6))], [1, 1])
    with pytest.raises(ValueError, match="2 validation points, the first 1"):
        datainf.combine_checkpoints([one, runs[1].query(np.ones((2, 6)))], [1, 1])
    ranked = runs[0].query(np.stack([np.ones(6), -np.ones(6)]), top_k=2)
    with pytest.raises(ValueError, match="result 0 has other ids in each row"):
        datainf.combine_checkpoints([ranked], [1])


def test_capture_without_torch_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    for name in [m for m in sys.modules if m.startswith("datainf._torch")]:
        monkeypatch.delitem(sys.modules, name)
    nothing: Any = None
    with pytest.raises(ImportError, match=r"pip install 'datainf-client\[torch\]'"):
        datainf.capture(nothing)
