"""A result as one HTML file: no script, nothing loaded from elsewhere, everything escaped."""

from __future__ import annotations

import html
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from datainf._questions.by_id import ById, values_of
from datainf._questions.pictures import data_uri
from datainf._tables import Sign

_STYLE = """
:root { color-scheme: light dark; --ink: light-dark(#1c1b1a, #ece9e4); --soft: light-dark(#6b6762,
#a39d95); --line: light-dark(#e2ded8, #383532); --paper: light-dark(#fbfaf8, #171615); }
body { margin: 0 auto; padding: 1.5rem 1rem 4rem; max-width: 90rem; font: 1rem/1.5 system-ui,
sans-serif; color: var(--ink); background: var(--paper); }
h1 { font-size: 1.5rem; margin: 0 0 .5rem; } h2 { font-size: 1.15rem; margin: 2rem 0 .5rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .8rem .3rem 0; border-bottom: 1px solid var(--line); text-align: left;
vertical-align: top; }
th { font-weight: 500; color: var(--soft); }
.soft { color: var(--soft); } .text { width: max-content; max-width: min(26rem, 68vw);
max-height: 12rem; overflow-y: auto; white-space: pre-wrap; overflow-wrap: anywhere; }
@media print { .text { max-height: none; } }
img { display: block; max-width: 10rem; max-height: 10rem; min-width: 3rem;
image-rendering: pixelated; }
"""

# Should markup of a text ever get through: no script runs, nothing is loaded from elsewhere.
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"

SIGN_SENTENCES: dict[str, str] = {
    "paper": "Sign of the paper, arXiv 2310.00902: negative = helpful, positive = harmful.",
    "dattri": "Sign of dattri and captum: positive = helpful, negative = harmful.",
}


Column = Sequence[object] | npt.NDArray[Any]
"""Cells of a table, one below the other."""


class Markup(str):
    """Text that is HTML already; every other string is escaped."""

    __slots__ = ()


class Shown:
    """What stands beside the scores of a sample: its text, its picture."""

    def __init__(self, texts: ById | None, images: ById | None) -> None:
        self._texts = texts
        self._images = images
        pairs = (("text", texts), ("image", images))
        self.headers = [name for name, values in pairs if values is not None]

    def cells(self, ids: npt.NDArray[np.uint64]) -> list[list[Markup]]:
        """Returns the cells of each sample, in the order of `headers`.

        Raises:
            ValueError: There is nothing for a sample, or something that cannot be shown.
        """
        cells: list[list[Markup]] = [[] for _ in ids]
        if self._texts is not None:
            for row, text in zip(cells, values_of("texts", self._texts, ids), strict=True):
                row.append(Markup(f'<div class="text">{html.escape(str(text))}</div>'))
        if self._images is not None:
            pictures = values_of("images", self._images, ids)
            for row, sample_id, picture in zip(cells, ids.tolist(), pictures, strict=True):
                uri = data_uri("images", picture)
                row.append(Markup(f'<img src="{uri}" alt="sample {sample_id}">'))
        return cells


def numbers(values: Iterable[float]) -> list[str]:
    """Returns numbers as the page shows them; NaN as nothing."""
    return ["" if np.isnan(value) else f"{value:.4g}" for value in values]


def table(headers: Sequence[str], rows: Iterable[Sequence[object]]) -> Markup:
    """Returns a table; cells that are no `Markup` are escaped."""
    head = "".join(f"<th>{html.escape(header)}</th>" for header in headers)
    body = "\n".join(
        f"<tr>{''.join(f'<td>{_escaped(cell)}</td>' for cell in row)}</tr>" for row in rows
    )
    return Markup(
        f'<div class="scroll"><table>\n<thead><tr>{head}</tr></thead>\n'
        f"<tbody>\n{body}\n</tbody></table></div>"
    )


def samples(
    ids: npt.NDArray[np.uint64],
    shown: Shown,
    before: Mapping[str, Column],
    after: Mapping[str, Column],
) -> Markup:
    """Returns a table with one line a sample.

    Args:
        ids: The samples, [k].
        shown: What stands beside their ids.
        before: Columns before the id, by header, [k] each.
        after: Columns behind.
    """
    lines = [
        [
            *(column[k] for column in before.values()),
            ids[k],
            *cells,
            *(column[k] for column in after.values()),
        ]
        for k, cells in enumerate(shown.cells(ids))
    ]
    return table([*before, "sample id", *shown.headers, *after], lines)


def heading(text: str) -> Markup:
    """Returns the heading of a part."""
    return Markup(f"<h2>{html.escape(text)}</h2>")


def paragraph(text: str) -> Markup:
    """Returns a paragraph."""
    return Markup(f'<p class="soft">{html.escape(text)}</p>')


def page(title: str, parts: Iterable[Markup], sign: Sign | None) -> str:
    """Returns the whole file.

    Args:
        title: Its title.
        parts: What follows the title.
        sign: Sign of the scores to explain; None if there are none.
    """
    said = [] if sign is None else [paragraph(SIGN_SENTENCES[sign])]
    name = html.escape(title)
    body = "\n".join([f"<h1>{name}</h1>", *said, *parts])
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f"<title>{name}</title>\n"
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<style>{_STYLE}</style>\n</head>\n<body>\n{body}\n</body>\n</html>\n"
    )


def written(text: str, path: str | os.PathLike[str] | None) -> str:
    """Writes a page if there is a path for it, and returns it."""
    if path is not None:
        # Half a surrogate pair, which data sets may hold, is no UTF-8.
        Path(path).write_text(text, encoding="utf-8", errors="xmlcharrefreplace")
    return text


def _escaped(cell: object) -> str:
    return cell if isinstance(cell, Markup) else html.escape(str(cell))
