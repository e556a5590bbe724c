from pathlib import Path

import numpy as np
import pytest

from digits import reference
from digits.network import Floats

# Cases of the authors' code in float64; server/engine/src/test/resources/golden/README.md.
GOLDEN = Path(__file__).parents[2] / "server/engine/src/test/resources/golden"
CASES = ["tiny-handmade", "heavy-tailed", "lora-r4-minilm"]
# Both sides are float64 and sum in different orders; prefix1 cancels down to 7e-11.
TOLERANCE = 1e-9


class Case:
    def __init__(self, name: str) -> None:
        with np.load(GOLDEN / f"{name}.npz") as arrays:
            self.arrays = {key: arrays[key] for key in arrays.files}
        self.widths = [int(rank * width) for rank, width in self.arrays["block_shapes"]]
        self.train = self._rows("train")
        self.validation = self._rows("val")

    def _rows(self, kind: str) -> Floats:
        blocks = [self.arrays[f"{kind}.{index}"] for index in range(len(self.widths))]
        return np.concatenate(blocks, axis=1).astype(np.float64)


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest) -> Case:
    return Case(request.param)


@pytest.mark.parametrize("method", ["datainf", "hessian_free"])
def test_scores_equal_the_golden_ones(case: Case, method: str) -> None:
    actual = reference.scores(method, case.train, case.validation, case.widths)
    assert reference.relative_error(actual, case.arrays[f"score.{method}"]) < TOLERANCE


def test_damping_equals_the_golden_one(case: Case) -> None:
    actual = reference.damping(case.train, case.widths)
    np.testing.assert_allclose(actual, case.arrays["lambda"], rtol=1e-12)


def test_scores_of_prefixes_equal_the_golden_ones(case: Case) -> None:
    suffix = ".score.datainf"
    prefixes = [key for key in case.arrays if key.startswith("prefix") and key.endswith(suffix)]
    assert prefixes
    for key in prefixes:
        count = int(key.removeprefix("prefix").removesuffix(suffix))
        actual = reference.scores("datainf", case.train[:count], case.validation, case.widths)
        assert reference.relative_error(actual, case.arrays[key]) < TOLERANCE, key


def test_scores_skip_a_block_of_zeros() -> None:
    case = Case("tiny-handmade")
    zeros = np.zeros((len(case.train), 3))
    train = np.concatenate([case.train, zeros], axis=1)
    validation = np.concatenate([case.validation, np.ones((len(case.validation), 3))], axis=1)
    actual = reference.scores("datainf", train, validation, [*case.widths, 3])
    assert reference.relative_error(actual, case.arrays["score.datainf"]) < TOLERANCE


def test_scores_refuse_an_unknown_method() -> None:
    with pytest.raises(ValueError, match="method is 'lissa'"):
        reference.scores("lissa", np.ones((1, 1)), np.ones((1, 1)), [1])


def test_relative_error_is_relative_to_the_row() -> None:
    expected = np.array([[1.0, -100.0], [1e-6, 0.0]])
    actual = np.array([[1.0, -101.0], [1e-6, 2e-8]])
    assert reference.relative_error(actual, expected) == pytest.approx(0.02)


def test_relative_error_of_nan_is_infinite() -> None:
    assert reference.relative_error(np.array([[np.nan]]), np.array([[1.0]])) == np.inf
