"""Small drawings of coloured shapes in several styles, with captions."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]

SIZE = 32
PLAIN = "plain"
STYLES = ("outlined", "striped", "dotted")
_SHAPES = ("circle", "square", "diamond")
_COLOURS = {"red": (0.9, 0.2, 0.2), "green": (0.2, 0.7, 0.3), "blue": (0.2, 0.3, 0.9)}
WORDS = (PLAIN, *STYLES, *_SHAPES, *_COLOURS)


@dataclasses.dataclass(frozen=True)
class Drawing:
    """A drawing.

    Attributes:
        words: Its caption: style, colour and shape.
        pixels: From 0 to 1, float32, [SIZE, SIZE, 3].
    """

    words: tuple[str, str, str]
    pixels: Floats

    @property
    def style(self) -> str:
        """The style."""
        return self.words[0]


def draw(styles: Sequence[str], each: int, seed: int) -> list[Drawing]:
    """Returns drawings, `each` in each style: shape, colour, place and size drawn at random."""
    generator = np.random.default_rng(seed)
    return [_drawing(style, generator) for style in styles for _ in range(each)]


def _drawing(style: str, generator: np.random.Generator) -> Drawing:
    shape, colour = str(generator.choice(_SHAPES)), str(generator.choice(list(_COLOURS)))
    radius = generator.uniform(7, 11)
    down, right = generator.uniform(12, 20, 2)
    y, x = np.mgrid[:SIZE, :SIZE]
    dy, dx = np.abs(y - down), np.abs(x - right)
    distance = {"circle": np.hypot(dy, dx), "square": np.maximum(dy, dx), "diamond": dy + dx}[shape]
    inside = distance < radius
    drawn = {
        PLAIN: inside,
        "outlined": inside & (distance > radius - 2.5),
        "striped": inside & (y % 4 < 2),
        "dotted": inside & (y % 4 < 2) & (x % 4 < 2),
    }[style]
    background = generator.uniform(0.85, 1.0)
    pixels = np.full((SIZE, SIZE, 3), background, np.float32)
    pixels[drawn] = _COLOURS[colour]
    noise = generator.normal(0, 0.02, pixels.shape)
    return Drawing((style, colour, shape), np.clip(pixels + noise, 0, 1).astype(np.float32))
