from __future__ import annotations

import numpy as np
import pytest

from datainf._questions.detection import auc, class_detection, detection, require_both_kinds

SUSPICION = np.array([3.0, 1.0, 2.0, 2.0, 0.0, 2.0])
FLAGS = np.array([True, False, True, False, False, False])


def by_pairs(suspicion: np.ndarray, flags: np.ndarray) -> float:
    """Returns the AUC as it is defined: over all pairs."""
    difference = suspicion[flags][:, np.newaxis] - suspicion[~flags]
    return float(((difference > 0) + (difference == 0) / 2).mean())


def test_auc_is_the_share_of_pairs_in_order_and_ties_count_half() -> None:
    assert auc(SUSPICION, FLAGS) == by_pairs(SUSPICION, FLAGS) == 7 / 8
    rng = np.random.default_rng(0)
    for _ in range(20):
        suspicion = rng.integers(0, 10, 50).astype(float)
        flags = rng.random(50) < 0.3
        assert auc(suspicion, flags) == pytest.approx(by_pairs(suspicion, flags), rel=1e-12)


def test_auc_of_separated_reversed_and_equal_scores() -> None:
    flags = np.array([False, False, True, True])
    assert auc(np.arange(4.0), flags) == 1
    assert auc(-np.arange(4.0), flags) == 0
    assert auc(np.zeros(4), flags) == 0.5


def test_interval_holds_the_auc_and_is_reproducible_by_seed() -> None:
    rng = np.random.default_rng(1)
    flags = np.arange(200) < 40
    suspicion = rng.standard_normal(200) + flags
    first = detection("datainf", suspicion, flags, seed=3)
    assert first.low < first.auc < first.high
    assert first == detection("datainf", suspicion, flags, seed=3)
    assert first != detection("datainf", suspicion, flags, seed=4)
    # About 1.96 standard errors to either side, by Hanley and McNeil's formula.
    a, p, n = first.auc, flags.sum(), (~flags).sum()
    q1, q2 = a / (2 - a), 2 * a * a / (1 + a)
    error = np.sqrt((a * (1 - a) + (p - 1) * (q1 - a * a) + (n - 1) * (q2 - a * a)) / (p * n))
    assert first.high - first.low == pytest.approx(2 * 1.96 * error, rel=0.25)


def test_flags_of_one_kind_are_refused() -> None:
    for flags in (np.ones(3, bool), np.zeros(3, bool)):
        with pytest.raises(ValueError, match="expected some but not all"):
            require_both_kinds("flipped", flags)


def test_classes_are_found_by_helpful_scores() -> None:
    labels = np.array(["a", "a", "b", "b"])
    scores = np.array([[-2.0, -1.0, 0.0, 1.0], [-2.0, 1.0, -1.0, 0.0]])
    found = class_detection("datainf", scores, labels, np.array(["a", "b"]), seed=0)
    assert found.point_aucs.tolist() == [1.0, 0.5]
    assert found.point_recalls.tolist() == [1.0, 0.5]
    assert found.auc == found.recall == 0.75
    assert (found.auc_low, found.auc_high) == (0.5, 1.0)


def test_points_whose_label_is_unknown_are_left_out() -> None:
    labels = np.array(["a", "a", "b", "b"])
    scores = np.array([[-2.0, -1.0, 0.0, 1.0], [0.0, 0.0, 0.0, 0.0]])
    found = class_detection("datainf", scores, labels, np.array(["a", "c"]), seed=0)
    assert found.auc == 1
    assert np.isnan(found.point_aucs[1])
    with pytest.raises(ValueError, match="no label of validation_labels"):
        class_detection("datainf", scores, labels, np.array(["c", "d"]), seed=0)
