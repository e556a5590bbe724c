import numpy as np
import pytest

from digits.network import Network
from digits.training import DIFFERENCE_TOLERANCE, gradient_error, train

SAMPLES = 5
WIDTHS = [6, 7, 5, 4]
RANK = 2


@pytest.fixture
def generator() -> np.random.Generator:
    return np.random.default_rng(20231002)


@pytest.fixture
def network(generator: np.random.Generator) -> Network:
    """One whose lora_B is not zero, so that no gradient vanishes."""
    network = Network(WIDTHS, RANK, generator)
    for layer in network.layers:
        layer.lora_b[:] = generator.normal(size=layer.lora_b.shape)
    return network


def test_lora_gradients_equal_finite_differences(
    network: Network, generator: np.random.Generator
) -> None:
    pictures = generator.normal(size=(SAMPLES, WIDTHS[0]))
    labels = generator.integers(0, WIDTHS[-1], SAMPLES)
    assert gradient_error(network, pictures, labels) < DIFFERENCE_TOLERANCE


def test_gradient_error_sees_a_wrong_gradient(
    network: Network, generator: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    pictures = generator.normal(size=(SAMPLES, WIDTHS[0]))
    labels = generator.integers(0, WIDTHS[-1], SAMPLES)
    wrong = network.lora_gradients(pictures, labels)
    wrong[2, 3] += 1e-5 * np.abs(wrong[2]).max()
    monkeypatch.setattr(network, "lora_gradients", lambda *_: wrong)
    assert gradient_error(network, pictures, labels) > DIFFERENCE_TOLERANCE


def test_lora_gradients_of_one_sample_do_not_depend_on_the_others(
    network: Network, generator: np.random.Generator
) -> None:
    pictures = generator.normal(size=(SAMPLES, WIDTHS[0]))
    labels = generator.integers(0, WIDTHS[-1], SAMPLES)
    together = network.lora_gradients(pictures, labels)
    alone = [network.lora_gradients(pictures[k : k + 1], labels[k : k + 1]) for k in range(SAMPLES)]
    np.testing.assert_allclose(np.concatenate(alone), together, rtol=1e-12, atol=1e-15)


def test_lora_step_is_the_mean_of_the_samples_gradients(
    network: Network, generator: np.random.Generator
) -> None:
    pictures = generator.normal(size=(SAMPLES, WIDTHS[0]))
    labels = generator.integers(0, WIDTHS[-1], SAMPLES)
    mean = network.lora_gradients(pictures, labels).mean(axis=0)
    step = [gradient for _, gradient in network.lora_step(pictures, labels)]
    # Every second matrix is lora_B, which a sample holds as [rank, width].
    flat = [(g.T if index % 2 else g).ravel() for index, g in enumerate(step)]
    np.testing.assert_allclose(np.concatenate(flat), mean, rtol=1e-12, atol=1e-15)


def test_blocks_name_and_measure_the_columns(network: Network) -> None:
    blocks = network.blocks()
    assert [(block.name, block.rank, block.width) for block in blocks[:2]] == [
        ("base_model.model.fc1.lora_A.weight", RANK, 6),
        ("base_model.model.fc1.lora_B.weight", RANK, 7),
    ]
    dimension = sum(block.rank * block.width for block in blocks)
    gradients = network.lora_gradients(np.zeros((1, WIDTHS[0])), np.zeros(1, np.int64))
    assert gradients.shape == (1, dimension)


def test_train_lowers_the_loss_and_leaves_the_base_alone(generator: np.random.Generator) -> None:
    network = Network(WIDTHS, RANK, generator)
    pictures = generator.normal(size=(40, WIDTHS[0]))
    labels = generator.integers(0, WIDTHS[-1], 40)
    before = network.losses(pictures, labels).mean()
    base = [layer.weight.copy() for layer in network.layers]
    train(
        network.lora_step,
        pictures,
        labels,
        epochs=20,
        learning_rate=1e-2,
        batch_samples=8,
        generator=generator,
    )
    assert network.losses(pictures, labels).mean() < 0.9 * before
    for layer, weight in zip(network.layers, base, strict=True):
        np.testing.assert_array_equal(layer.weight, weight)
