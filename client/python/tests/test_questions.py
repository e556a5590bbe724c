"""The questions people ask, against the real server and the double-precision reference."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from reference import Array, datainf_scores, worst_relative_error

import datainf

NewRun = Callable[..., datainf.Run]

DIMENSIONS = [16, 8]
COUNT = 120
FLOAT32_TOLERANCE = 1e-5
IDS = np.random.default_rng(5).permutation(COUNT).astype(np.uint64) + 1000
LABELS = {int(sample_id): int(k % 3) for k, sample_id in enumerate(IDS)}
POINT_LABELS = np.array([0, 0, 0, 1, 2, 2])


def gradients(count: int, seed: int) -> Any:
    """Returns [count, D] float32 with norms over some decades."""
    rng = np.random.default_rng(seed)
    norms = np.exp(rng.normal(0, 1, (count, 1)))
    return (norms * rng.standard_normal((count, sum(DIMENSIONS)))).astype(np.float32)


TRAIN, VAL = gradients(COUNT, 0), gradients(len(POINT_LABELS), 1)
BY_ID = {int(sample_id): k for k, sample_id in enumerate(IDS)}


@pytest.fixture
def run(new_run: NewRun) -> datainf.Run:
    run = new_run(*DIMENSIONS)
    with run.writer() as writer:
        writer.add(IDS, TRAIN)
    return run


def in_order_sent(ids: Array, values: Array) -> Array:
    """Returns values of samples, [..., n], in the order of TRAIN."""
    ordered = np.empty_like(values)
    ordered[..., [BY_ID[int(sample_id)] for sample_id in ids]] = values
    return ordered


def label_means() -> Array:
    return np.stack([VAL[y == POINT_LABELS].mean(axis=0, dtype=np.float64) for y in range(3)])


def expected_scores(aggregation: str) -> Array:
    """Returns the reference's scores, [n]."""
    points = {
        "mean": VAL.mean(axis=0, keepdims=True),
        "balanced_mean": label_means().mean(axis=0, keepdims=True),
        "per_label": label_means(),
    }
    rows = [LABELS[int(sample_id)] if aggregation == "per_label" else 0 for sample_id in IDS]
    scores: Array = datainf_scores(TRAIN, points[aggregation], DIMENSIONS)[rows, np.arange(COUNT)]
    return scores


@pytest.mark.parametrize("aggregation", ["mean", "balanced_mean", "per_label"])
def test_mislabeled_scores_are_those_of_the_reference(run: datainf.Run, aggregation: Any) -> None:
    found = datainf.mislabeled(
        run, VAL, aggregation=aggregation, labels=LABELS, validation_labels=POINT_LABELS
    )
    expected = expected_scores(aggregation)
    actual = in_order_sent(found.ids, found.scores)
    assert worst_relative_error(actual, expected) <= FLOAT32_TOLERANCE
    assert found.scores.tolist() == sorted(found.scores, reverse=True)
    assert found.sample_count == COUNT


def test_baselines_are_what_they_say(run: datainf.Run) -> None:
    losses = {int(sample_id): float(k) for k, sample_id in enumerate(IDS)}
    found = datainf.mislabeled(run, VAL, losses=losses, self_influence=True)
    assert list(found.columns) == [
        "datainf",
        "hessian_free",
        "cosine",
        "squared_norm",
        "self_influence",
        "loss",
    ]
    v = VAL.mean(axis=0, dtype=np.float64)
    train = TRAIN.astype(np.float64)
    squared = (train**2).sum(axis=1)
    each = np.diag(datainf_scores(TRAIN, TRAIN, DIMENSIONS))
    expected = {
        "hessian_free": -train @ v,
        "cosine": -train @ v / np.linalg.norm(v) / np.sqrt(squared),
        "squared_norm": squared,
        "self_influence": -each,
        "loss": np.arange(COUNT, dtype=float),
    }
    for name, values in expected.items():
        actual = in_order_sent(found.ids, found.columns[name])
        assert worst_relative_error(actual, values) <= FLOAT32_TOLERANCE, name
        ranks = in_order_sent(found.ids, found.ranks[name])
        np.testing.assert_array_equal(np.argsort(ranks), np.argsort(-actual))


def test_most_harmful_and_most_helpful_are_the_two_ends(run: datainf.Run) -> None:
    whole = datainf.mislabeled(run, VAL, baselines=False)
    harmful = datainf.most_harmful(run, VAL, k=4)
    helpful = datainf.most_helpful(run, VAL, k=4)
    assert harmful.ids.tolist() == whole.ids[:4].tolist()
    assert helpful.ids.tolist() == whole.ids[::-1][:4].tolist()
    assert helpful.sample_count == COUNT
    assert datainf.most_harmful(run, VAL, k=1000).ids.shape == (COUNT,)
    # The least of a magnitude is the most helpful.
    norms = helpful.columns["squared_norm"]
    assert np.argsort(norms).tolist() == np.argsort(helpful.ranks["squared_norm"]).tolist()


def test_hessian_free_as_the_method_stands_once(run: datainf.Run) -> None:
    found = datainf.most_harmful(run, VAL, method="hessian_free", self_influence=False)
    assert list(found.columns) == ["hessian_free", "cosine", "squared_norm"]
    assert found.snapshot.method == "hessian_free"


def test_ties_go_to_the_smaller_id(new_run: NewRun) -> None:
    run = new_run(4)
    with run.writer() as writer:
        writer.add([7, 3, 5, 1], np.array([[1, 0, 0, 0]] * 3 + [[-1, 0, 0, 0]], np.float32))
    point = np.array([1, 0, 0, 0], np.float32)
    assert datainf.most_helpful(run, point, k=2).ids.tolist() == [3, 5]
    assert datainf.most_harmful(run, point, k=2).ids.tolist() == [1, 3]
    choice = datainf.select(run, point, 0.5, per_label=False)
    assert choice.kept_ids().tolist() == [3, 5]
    assert choice.dropped_ids().tolist() == [1, 7]


def test_zero_gradients_and_skipped_blocks_have_cosine_0(new_run: NewRun) -> None:
    run = new_run(2, 2)
    with run.writer() as writer:
        writer.add([0, 1], np.array([[3, 4, 0, 0], [0, 0, 0, 0]], np.float32))
    found = datainf.mislabeled(run, np.array([3, 4, 5, 6], np.float32))
    assert found.snapshot.skipped_blocks == ("block1",)
    assert dict(zip(found.ids.tolist(), found.columns["cosine"].tolist(), strict=True)) == {
        0: pytest.approx(-1),
        1: 0,
    }


def test_influence_has_a_row_for_each_point_in_order_of_ids(run: datainf.Run) -> None:
    matrix = datainf.influence(run, VAL, labels=LABELS, validation_labels=POINT_LABELS)
    assert matrix.ids.tolist() == sorted(IDS.tolist())
    expected = datainf_scores(TRAIN, VAL, DIMENSIONS)
    actual = in_order_sent(matrix.ids, matrix.scores)
    assert worst_relative_error(actual, expected) <= FLOAT32_TOLERANCE
    assert {column.shape for column in matrix.columns.values()} == {(len(VAL), COUNT)}
    assert [each.method for each in matrix.detections] == list(matrix.columns)
    assert matrix.labels is not None
    assert matrix.labels.tolist() == [LABELS[int(sample_id)] for sample_id in matrix.ids]
    # The paper's recall, for one point by hand.
    same = matrix.labels == POINT_LABELS[4]
    lowest = np.argsort(matrix.scores[4])[: same.sum()]
    assert matrix.detections[0].point_recalls[4] == same[lowest].mean()
    assert datainf.influence(run, VAL, labels=LABELS).detections == ()


@pytest.mark.parametrize("fraction", [0.25, 0.6, 1.0])
def test_selection_keeps_the_share_of_each_label(run: datainf.Run, fraction: float) -> None:
    uneven = {sample_id: label % 2 for sample_id, label in LABELS.items()}
    choice = datainf.select(run, VAL, fraction, labels=uneven)
    assert choice.labels is not None
    for column, kept in choice.kept.items():
        for label in (0, 1):
            of_label = choice.labels == label
            assert kept[of_label].sum() == np.floor(fraction * of_label.sum() + 0.5), column
            if fraction < 1:
                scores = choice.columns[column][of_label]
                assert scores[kept[of_label]].max() <= scores[~kept[of_label]].min()
    together = datainf.select(run, VAL, fraction, per_label=False)
    assert len(together.kept_ids()) == round(fraction * COUNT)
    assert together.kept_ids().tolist() == sorted(
        datainf.most_helpful(run, VAL, k=round(fraction * COUNT)).ids.tolist()
    )


def test_self_influence_is_left_out_with_a_word_unless_asked_for(
    run: datainf.Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("datainf._questions.scores._CHEAP_SECONDS", -1.0)
    found = datainf.most_harmful(run, VAL)
    assert "self_influence" not in found.columns
    assert "self_influence=True computes it" in found.notes[0]
    assert "self_influence" in datainf.most_harmful(run, VAL, self_influence=True).columns
    # The server has it now.
    kept = datainf.most_harmful(run, VAL)
    assert "self_influence" in kept.columns
    assert kept.notes == ()
    assert "self_influence" not in datainf.most_harmful(run, VAL, self_influence=False).columns


def test_samples_that_come_in_between_are_left_out_with_a_word(
    run: datainf.Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    norms = datainf.Run.squared_norms

    def after_another(self: datainf.Run, **options: Any) -> datainf.SquaredNorms:
        self.delete_samples([IDS[0]])
        return norms(self, **options)

    monkeypatch.setattr(datainf.Run, "squared_norms", after_another)
    found = datainf.mislabeled(run, VAL, self_influence=False)
    assert found.sample_count == COUNT - 1
    assert IDS[0] not in found.ids
    assert "squared_norm is of revision 121, the scores of 120" in found.notes[0]


def test_bfloat16_points_are_taken(run: datainf.Run) -> None:
    bits = (VAL.view(np.uint32) >> 16).astype(np.uint16)
    rounded = (bits.astype(np.uint32) << 16).view(np.float32)
    ml_dtypes = pytest.importorskip("ml_dtypes")
    found = datainf.most_harmful(run, bits.view(ml_dtypes.bfloat16), k=3)
    assert found.ids.tolist() == datainf.most_harmful(run, rounded, k=3).ids.tolist()


def test_results_refuse_changes(run: datainf.Run) -> None:
    found = datainf.most_harmful(run, VAL, labels=LABELS)
    assert found.labels is not None
    for array in (found.ids, found.scores, found.ranks["cosine"], found.labels):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1
    with pytest.raises(TypeError):
        found.columns["datainf"] = found.scores  # type: ignore[index]
    with pytest.raises(AttributeError):
        found.method = "exact"  # type: ignore[misc]


def test_empty_run_is_an_error(new_run: NewRun) -> None:
    run = new_run(4)
    for ask in (datainf.most_harmful, datainf.mislabeled, datainf.influence):
        with pytest.raises(datainf.FailedPreconditionError):
            ask(run, np.ones(4))


def test_ids_without_a_value_are_named(run: datainf.Run) -> None:
    missing = int(IDS[3])
    labels = {sample_id: label for sample_id, label in LABELS.items() if sample_id != missing}
    with pytest.raises(ValueError, match=f"labels has nothing for sample id {missing}"):
        datainf.select(run, VAL, 0.5, labels=labels)
    with pytest.raises(ValueError, match="losses has nothing for sample id 1"):
        datainf.most_harmful(run, VAL, losses=[0.5])
    with pytest.raises(ValueError, match="flipped has nothing for sample id"):
        datainf.mislabeled(run, VAL, flipped=np.zeros(5, bool))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"k": 0}, "k is 0, expected at least 1"),
        ({"aggregation": "median"}, "aggregation is 'median', expected one of 'mean'"),
        ({"aggregation": "balanced_mean"}, "validation_labels is missing"),
        ({"aggregation": "per_label", "validation_labels": POINT_LABELS}, "labels is missing"),
        (
            {"aggregation": "per_label", "validation_labels": [0] * 6, "labels": LABELS},
            "no validation point has the label 1 of 40 training samples",
        ),
        (
            {"aggregation": "balanced_mean", "validation_labels": [0, 1]},
            "validation_labels has 2 labels, expected 6",
        ),
        ({"labels": lambda _: 0.5}, "labels has dtype float64"),
        ({"losses": lambda _: np.nan}, "losses is nan for sample id"),
    ],
)
def test_bad_arguments_are_named(run: datainf.Run, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        datainf.most_harmful(run, VAL, **options)


def test_bad_gradients_flags_and_fractions_are_named(run: datainf.Run) -> None:
    with pytest.raises(ValueError, match=r"validation has shape \[3\], expected \[m, 24\]"):
        datainf.most_harmful(run, np.ones(3))
    broken = VAL.copy()
    broken[2, 5] = np.inf
    with pytest.raises(ValueError, match="validation holds NaN or infinity in row 2"):
        datainf.influence(run, broken)
    with pytest.raises(ValueError, match="flipped marks 0 of 120 samples"):
        datainf.mislabeled(run, VAL, flipped=lambda _: False)
    with pytest.raises(ValueError, match="flipped is 2 for sample id"):
        datainf.mislabeled(run, VAL, flipped=lambda _: 2)
    for fraction in (0.0, 1.5, float("nan")):
        with pytest.raises(ValueError, match="expected more than 0 and at most 1"):
            datainf.select(run, VAL, fraction, per_label=False)
    with pytest.raises(ValueError, match="labels is missing, expected with per_label"):
        datainf.select(run, VAL, 0.5)
    with pytest.raises(ValueError, match="column is 'loss', expected one of 'datainf'"):
        datainf.select(run, VAL, 0.5, per_label=False).kept_ids("loss")
