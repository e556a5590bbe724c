"""A small network with LoRA in plain numpy, and the exact gradient of each sample's own loss.

A layer maps x [n, in] to z = x W^T + b + (x A^T) B^T, with lora_A = A [rank, in] and lora_B = B
[out, rank]; LoRA's alpha equals the rank, so its scale is 1. All layers but the last are followed
by tanh; the loss of a sample is the cross-entropy of softmax(z) against its label. With delta
[n, out], the derivative of each sample's own loss by z, the LoRA gradients of sample i are

    dA_i   = (B^T delta_i) x_i^T      [rank, in]
    dB_i^T = (A x_i) delta_i^T        [rank, out]

Everything here is float64.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class BlockShape:
    """One LoRA matrix as the server knows it: PEFT's parameter name and its shape [rank, width]."""

    name: str
    rank: int
    width: int


@dataclass(kw_only=True)
class Layer:
    """A dense layer; `lora_a` and `lora_b` are updated in place by training."""

    name: str
    weight: Floats
    bias: Floats
    lora_a: Floats
    lora_b: Floats


class Network:
    """Dense layers fc1, fc2, ... with a LoRA pair each; lora_B starts at zero as in PEFT."""

    def __init__(self, widths: Sequence[int], rank: int, generator: np.random.Generator) -> None:
        """Draws the weights. `widths` are the input's, each hidden layer's and the output's."""
        self.layers = [
            Layer(
                name=f"fc{index}",
                weight=generator.normal(0.0, 1.0 / np.sqrt(inputs), (outputs, inputs)),
                bias=np.zeros(outputs),
                lora_a=generator.uniform(-1.0, 1.0, (rank, inputs)) / np.sqrt(inputs),
                lora_b=np.zeros((outputs, rank)),
            )
            for index, (inputs, outputs) in enumerate(pairwise(widths), start=1)
        ]

    def blocks(self) -> list[BlockShape]:
        """The LoRA matrices in the order of `lora_gradients`."""
        return [
            BlockShape(
                name=f"base_model.model.{layer.name}.{factor}.weight", rank=rank, width=width
            )
            for layer in self.layers
            for factor, (rank, width) in (
                ("lora_A", layer.lora_a.shape),
                ("lora_B", layer.lora_b.T.shape),
            )
        ]

    def logits(self, pictures: Floats) -> Floats:
        """Class scores, shape [n, classes]."""
        return self._forward(pictures)[1]

    def losses(self, pictures: Floats, labels: Labels) -> Floats:
        """Each sample's own cross-entropy, shape [n]."""
        logits = self.logits(pictures)
        return _log_sum_exp(logits) - logits[np.arange(len(labels)), labels]

    def accuracy(self, pictures: Floats, labels: Labels) -> float:
        """Share of samples whose label is the likeliest class."""
        return float(np.mean(np.argmax(self.logits(pictures), axis=1) == labels))

    def lora_gradients(self, pictures: Floats, labels: Labels) -> Floats:
        """Gradient of each sample's own loss by all LoRA parameters.

        Returns:
            Shape [n, D]: the blocks of `blocks()` in order, each row-major [rank, width].
        """
        columns = []
        for layer, inputs, delta in self._backward(pictures, labels):
            lora_a = np.einsum("nr,ni->nri", delta @ layer.lora_b, inputs)
            lora_b = np.einsum("nr,no->nro", inputs @ layer.lora_a.T, delta)
            columns += [lora_a.reshape(len(labels), -1), lora_b.reshape(len(labels), -1)]
        return np.concatenate(columns, axis=1)

    def base_step(self, pictures: Floats, labels: Labels) -> list[tuple[Floats, Floats]]:
        """Pairs (parameter, gradient of the mean loss) of all weights and biases."""
        pairs = []
        for layer, inputs, delta in self._backward(pictures, labels):
            pairs += [
                (layer.weight, delta.T @ inputs / len(labels)),
                (layer.bias, delta.mean(axis=0)),
            ]
        return pairs

    def lora_step(self, pictures: Floats, labels: Labels) -> list[tuple[Floats, Floats]]:
        """Pairs (parameter, gradient of the mean loss) of all LoRA matrices."""
        pairs = []
        for layer, inputs, delta in self._backward(pictures, labels):
            pairs += [
                (layer.lora_a, (delta @ layer.lora_b).T @ inputs / len(labels)),
                (layer.lora_b, delta.T @ (inputs @ layer.lora_a.T) / len(labels)),
            ]
        return pairs

    def _forward(self, pictures: Floats) -> tuple[list[Floats], Floats]:
        """The input of each layer, and the logits."""
        inputs = [pictures]
        for position, layer in enumerate(self.layers):
            last = inputs[-1]
            z = last @ layer.weight.T + layer.bias + (last @ layer.lora_a.T) @ layer.lora_b.T
            if position == len(self.layers) - 1:
                return inputs, z
            inputs.append(np.tanh(z))
        raise ValueError("a network needs at least one layer")

    def _backward(self, pictures: Floats, labels: Labels) -> Iterator[tuple[Layer, Floats, Floats]]:
        """Each layer from the first on, with its inputs and delta, [n, in] and [n, out]."""
        inputs, logits = self._forward(pictures)
        delta = np.exp(logits - _log_sum_exp(logits)[:, np.newaxis])
        delta[np.arange(len(labels)), labels] -= 1.0
        deltas = [delta]
        for layer, hidden in zip(self.layers[:0:-1], inputs[:0:-1], strict=True):
            back = delta @ layer.weight + (delta @ layer.lora_b) @ layer.lora_a
            delta = back * (1.0 - hidden**2)
            deltas.append(delta)
        return zip(self.layers, inputs, reversed(deltas), strict=True)


def _log_sum_exp(logits: Floats) -> Floats:
    """log(sum(exp(logits))) along the classes, shape [n]."""
    greatest: Floats = logits.max(axis=1)
    total: Floats = np.exp(logits - greatest[:, np.newaxis]).sum(axis=1)
    return greatest + np.log(total)
