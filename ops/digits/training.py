"""Adam over mini-batches, and the check of the gradients that training and influence rest on."""

from collections.abc import Callable, Sequence

import numpy as np

from digits.network import Floats, Labels, Network

Step = Callable[[Floats, Labels], list[tuple[Floats, Floats]]]

# Central differences of step h err by about h^2 (third derivative) and 2e-16 / h (rounding).
DIFFERENCE_STEP = 1e-5
DIFFERENCE_TOLERANCE = 1e-7


class Adam:
    """Adam (arXiv 1412.6980) with its usual constants; updates parameters in place."""

    def __init__(self, learning_rate: float) -> None:
        """Starts at step 0."""
        self._learning_rate = learning_rate
        self._step = 0
        self._moments: list[tuple[Floats, Floats]] = []

    def update(self, pairs: Sequence[tuple[Floats, Floats]]) -> None:
        """Moves each parameter of the pairs (parameter, gradient), the same ones every time."""
        if self._step == 0:
            self._moments = [(np.zeros_like(p), np.zeros_like(p)) for p, _ in pairs]
        self._step += 1
        rate = self._learning_rate / (1.0 - 0.9**self._step)
        for (parameter, gradient), (mean, square) in zip(pairs, self._moments, strict=True):
            mean[...] += 0.1 * (gradient - mean)
            square[...] += 0.001 * (gradient**2 - square)
            deviation = np.sqrt(square / (1.0 - 0.999**self._step))
            parameter[...] -= rate * mean / (deviation + 1e-8)


def train(
    step: Step,
    pictures: Floats,
    labels: Labels,
    *,
    epochs: int,
    learning_rate: float,
    batch_samples: int,
    generator: np.random.Generator,
) -> None:
    """Minimises the mean loss over mini-batches in random order.

    Args:
        step: Gives the pairs (parameter, gradient of the batch's mean loss) to go down along.
        pictures: Shape [n, pixels].
        labels: Shape [n].
        epochs: Passes over the samples.
        learning_rate: Adam's.
        batch_samples: Samples in a batch.
        generator: Orders the samples.
    """
    adam = Adam(learning_rate)
    for _ in range(epochs):
        order = generator.permutation(len(labels))
        for start in range(0, len(order), batch_samples):
            batch = order[start : start + batch_samples]
            adam.update(step(pictures[batch], labels[batch]))


def gradient_error(network: Network, pictures: Floats, labels: Labels) -> float:
    """Greatest relative error of `lora_gradients` against central finite differences.

    Every LoRA parameter is moved both ways, for all samples at once: 2 D evaluations of the
    network. The error of a sample is relative to the greatest element of its gradient.
    """
    exact = network.lora_gradients(pictures, labels)
    columns = []
    for layer in network.layers:
        # As [rank, width] views, in the order of `blocks()`.
        for matrix in (layer.lora_a, layer.lora_b.T):
            for index in np.ndindex(matrix.shape):
                value = matrix[index]
                matrix[index] = value + DIFFERENCE_STEP
                above = network.losses(pictures, labels)
                matrix[index] = value - DIFFERENCE_STEP
                below = network.losses(pictures, labels)
                matrix[index] = value
                columns.append((above - below) / (2.0 * DIFFERENCE_STEP))
    difference = np.abs(exact - np.stack(columns, axis=1)).max(axis=1)
    return float((difference / np.abs(exact).max(axis=1)).max())
