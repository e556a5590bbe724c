import numpy as np
import pytest

from digits.detection import auc, detection_curve

FLIPPED = np.array([False, True, False, True])


def test_auc_is_one_when_the_flipped_come_first() -> None:
    assert auc(np.array([0.0, 3.0, -1.0, 2.0]), FLIPPED) == 1.0


def test_auc_is_zero_when_the_flipped_come_last() -> None:
    assert auc(np.array([3.0, 0.0, 2.0, -1.0]), FLIPPED) == 0.0


def test_auc_counts_ties_half() -> None:
    assert auc(np.zeros(4), FLIPPED) == 0.5
    assert auc(np.array([1.0, 1.0, 0.0, 2.0]), FLIPPED) == pytest.approx(3.5 / 4.0)


def test_auc_needs_both_kinds() -> None:
    with pytest.raises(ValueError, match="0 of 4 samples are flipped"):
        auc(np.zeros(4), np.zeros(4, bool))


def test_detection_curve_counts_the_flipped_from_the_most_suspicious_down() -> None:
    curve = detection_curve(np.array([2.0, 3.0, 0.0, 1.0]), FLIPPED)
    assert curve.tolist() == [0.0, 0.5, 0.5, 1.0, 1.0]
