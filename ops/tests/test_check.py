from dataclasses import replace

import numpy as np
import pytest

from digits import reference
from digits.check import Answer, MismatchError, StreamedSamples, relative_error

WIDTHS = [3, 4]
SNAPSHOT = 6


@pytest.fixture
def streamed() -> StreamedSamples:
    generator = np.random.default_rng(3)
    return StreamedSamples(
        ids=np.arange(100, 110, dtype=np.uint64),
        gradients=generator.normal(size=(10, sum(WIDTHS))),
        widths=WIDTHS,
    )


@pytest.fixture
def answer(streamed: StreamedSamples) -> Answer:
    validation = np.random.default_rng(4).normal(size=(2, sum(WIDTHS)))
    return Answer(
        method="datainf",
        validation=validation,
        ids=streamed.ids[:SNAPSHOT],
        scores=reference.scores("datainf", streamed.gradients[:SNAPSHOT], validation, WIDTHS),
        sample_count=SNAPSHOT,
        revision=SNAPSHOT,
        engine="numpy",
        seconds=0.0,
    )


def test_relative_error_of_a_right_answer_is_zero(
    answer: Answer, streamed: StreamedSamples
) -> None:
    assert relative_error(answer, streamed) == 0.0


def test_a_score_that_is_off_is_a_mismatch(answer: Answer, streamed: StreamedSamples) -> None:
    scores = answer.scores.copy()
    scores[1, 2] += 2e-5 * np.abs(scores[1]).max()
    with pytest.raises(MismatchError, match=r"n = 6.*differ from numpy float64 by 2\.00e-05"):
        relative_error(replace(answer, scores=scores), streamed)


def test_nan_is_a_mismatch(answer: Answer, streamed: StreamedSamples) -> None:
    scores = np.full_like(answer.scores, np.nan)
    with pytest.raises(MismatchError, match="differ"):
        relative_error(replace(answer, scores=scores), streamed)


def test_scores_of_another_snapshot_are_a_mismatch(
    answer: Answer, streamed: StreamedSamples
) -> None:
    other = reference.scores("datainf", streamed.gradients[:7], answer.validation, WIDTHS)
    with pytest.raises(MismatchError, match="differ"):
        relative_error(replace(answer, scores=other[:, :SNAPSHOT]), streamed)


def test_other_samples_are_a_mismatch(answer: Answer, streamed: StreamedSamples) -> None:
    with pytest.raises(MismatchError, match="the first 6 streamed samples"):
        relative_error(replace(answer, ids=answer.ids[::-1]), streamed)


def test_another_revision_is_a_mismatch(answer: Answer, streamed: StreamedSamples) -> None:
    with pytest.raises(MismatchError, match="expected revision 6"):
        relative_error(replace(answer, revision=7), streamed)


def test_a_missing_score_is_a_mismatch(answer: Answer, streamed: StreamedSamples) -> None:
    with pytest.raises(MismatchError, match=r"shape \(1, 6\), expected \(2, 6\)"):
        relative_error(replace(answer, scores=answer.scores[:1]), streamed)
