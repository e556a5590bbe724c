import numpy as np
import pytest

from digits.experiment import Digits, Settings, run

SETTINGS = Settings(base_samples=30, tuning_samples=50, hidden_width=8, rank=2, base_epochs=1)


def random_digits(count: int) -> Digits:
    generator = np.random.default_rng(7)
    labels = generator.integers(0, 10, count)
    return Digits(
        ids=np.arange(count, dtype=np.uint64),
        pictures=generator.random((count, 64)),
        true_labels=labels,
        labels=labels,
    )


def test_run_flips_the_share_and_keeps_the_parts_apart() -> None:
    experiment = run(random_digits(100), SETTINGS)
    assert len(experiment.tuning) == 50
    assert len(experiment.validation) == 20
    assert experiment.tuning.flipped.sum() == 10
    assert not experiment.validation.flipped.any()
    assert not set(experiment.tuning.ids) & set(experiment.validation.ids)


def test_run_is_the_same_for_the_same_seed() -> None:
    one, two = (run(random_digits(100), SETTINGS) for _ in range(2))
    np.testing.assert_array_equal(one.tuning.labels, two.tuning.labels)
    for first, second in zip(one.network.layers, two.network.layers, strict=True):
        np.testing.assert_array_equal(first.lora_b, second.lora_b)


def test_run_refuses_too_few_digits() -> None:
    with pytest.raises(ValueError, match="80 digits are too few: these settings need 81"):
        run(random_digits(80), SETTINGS)
