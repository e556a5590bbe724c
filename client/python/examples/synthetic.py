"""The paper's three synthetic sets for language models: ten classes of prompts with answers.

Sentence transformations, and word problems without and with reasoning. Class and wording are those
of DataInf's section on influential data; the phrases and templates are our own.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np

_VOWELS = "aeiou"
_NAMES = ("Ada", "Bo", "Cleo", "Dex", "Eve", "Finn", "Gus", "Hal", "Ivy", "Jo")
_WORDS = {
    "the": ("my", "your", "our", "his", "her", "their", "this", "that", "every", "some"),
    "kind": ("old", "red", "tall", "wise", "quiet", "brave", "small", "loud", "warm", "green"),
    "noun": ("dog", "river", "teacher", "garden", "robot", "painter", "window", "horse", "cloud"),
    "verb": ("sings", "waits", "sleeps", "falls", "shines", "moves", "jumps", "grows", "laughs"),
}

_TRANSFORMATIONS: dict[str, Callable[[str], str]] = {
    "Reverse the order of the words": lambda s: " ".join(reversed(s.split())),
    "Capitalise every other letter": lambda s: "".join(
        c.upper() if k % 2 == 0 else c for k, c in enumerate(s)
    ),
    "Insert 1 between the words": lambda s: " 1 ".join(s.split()),
    "Replace vowels with *": lambda s: "".join("*" if c in _VOWELS else c for c in s),
    "Double every consonant": lambda s: "".join(
        c * 2 if c.isalpha() and c not in _VOWELS else c for c in s
    ),
    "Capitalise every word": lambda s: s.title(),
    "Remove all vowels": lambda s: "".join(c for c in s if c not in _VOWELS),
    "Add 'ly' to every word": lambda s: " ".join(word + "ly" for word in s.split()),
    "Remove all consonants": lambda s: "".join(c for c in s if not c.isalpha() or c in _VOWELS),
    "Repeat every word": lambda s: " ".join(f"{word} {word}" for word in s.split()),
}


@dataclasses.dataclass(frozen=True)
class _Problem:
    """A word problem: its text with the numbers {0} to {3}, and its steps, with {a}, {b}, {c}.

    `operations` combine the first number with the others, one after the other.
    """

    text: str
    operations: str


_PROBLEMS = (
    _Problem("A farm has {0} cows, buys {1}, sells {2} and finds {3}. How many cows?", "+-+"),
    _Problem("A pool of {0} litres leaks {1}, then {2}, then {3}. How many are left?", "---"),
    _Problem("Kim reads {0} pages on each of {1} days, and {2} and {3} more. Pages read?", "*++"),
    _Problem("{0} boxes hold {1} nails each; {2} are bent and {3} rusty. Good nails?", "*--"),
    _Problem("A train carries {0} people; {1}, {2} and {3} get on. How many ride?", "+++"),
    _Problem("A shop earns {0} euros, pays {1} and {2}, and earns {3}. What remains?", "--+"),
    _Problem("Lee saves {0} coins, finds {1}, and trebles {2} times {3}. The total?", "++*"),
    _Problem("{0} shelves with {1} books each get {2} books; {3} are lent. Books there?", "*+-"),
    _Problem("A lift rises {0} floors, falls {1}, and does it {2} times, plus {3}. Where?", "-*+"),
    _Problem("Each of {0} and {1} birds lays {2} eggs, and {3} break. How many eggs?", "+*-"),
)


@dataclasses.dataclass(frozen=True)
class Example:
    """A prompt, the answer to learn, and the class."""

    prompt: str
    answer: str
    label: str


def _transformation(kind: int, generator: np.random.Generator) -> Example:
    phrase = " ".join(str(generator.choice(words)) for words in _WORDS.values())
    instruction = list(_TRANSFORMATIONS)[kind]
    prompt = f"{generator.choice(_NAMES)}, a chatbot: {instruction}: {phrase}"
    return Example(prompt, _TRANSFORMATIONS[instruction](phrase), instruction)


def _problem(kind: int, generator: np.random.Generator, *, reasoning: bool) -> Example:
    problem = _PROBLEMS[kind]
    numbers = [int(number) for number in generator.integers(1, 100, 4)]
    total, steps = numbers[0], []
    for operation, number in zip(problem.operations, numbers[1:], strict=True):
        before = total
        total = {"+": before + number, "-": before - number, "*": before * number}[operation]
        steps.append(f"{before} {operation} {number} = {total}")
    answer = f"{', then '.join(steps)}. So {total}" if reasoning else str(total)
    return Example(problem.text.format(*numbers), answer, f"problem {kind}")


SETS: dict[str, Callable[[int, np.random.Generator], Example]] = {
    "sentences": _transformation,
    "math": lambda kind, generator: _problem(kind, generator, reasoning=False),
    "reasoning": lambda kind, generator: _problem(kind, generator, reasoning=True),
}
CLASSES = 10


def generate(
    name: str, each: int, validation_each: int, seed: int
) -> tuple[list[Example], list[Example]]:
    """Returns training and validation examples of a set, class after class, all different.

    Args:
        name: Of the set.
        each: Training examples of each class.
        validation_each: Validation examples of each class.
        seed: Of phrases and numbers.
    """
    generator = np.random.default_rng(seed)
    train: list[Example] = []
    validation: list[Example] = []
    for kind in range(CLASSES):
        found: dict[str, Example] = {}
        while len(found) < each + validation_each:
            example = SETS[name](kind, generator)
            found.setdefault(example.prompt, example)
        examples = list(found.values())
        train += examples[:each]
        validation += examples[each:]
    return train, validation


def generic_text(count: int, seed: int) -> Sequence[str]:
    """Returns sentences that belong to no class, for a base model to learn letters from."""
    generator = np.random.default_rng(seed)
    openings = ("It is said that", "Once upon a time", "In the evening", "People know that")
    places = ("by the sea", "in the city", "near the hill", "at home", "on the road")
    sentences = []
    for _ in range(count):
        words = [str(generator.choice(words)) for words in _WORDS.values()]
        rest = f"{generator.choice(places)} since {generator.integers(1, 2000)}"
        sentences.append(f"{generator.choice(openings)} {' '.join(words)} {rest}.")
    return sentences
