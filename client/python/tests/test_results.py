"""Tables, charts and pages of results."""

from __future__ import annotations

import base64
import re
import zlib
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import datainf
from datainf._questions.pictures import data_uri

NewRun = Callable[..., datainf.Run]

POINT = np.array([1, 0], np.float32)
TEXTS = {1: "<script>alert('x')</script>", 2: 'a & "b"', 3: "plain\ntext"}
FLIPPED = {1: False, 2: True, 3: False}
VOID = {"meta", "img"}


@pytest.fixture
def run(new_run: NewRun) -> datainf.Run:
    run = new_run(2)
    with run.writer() as writer:
        writer.add([1, 2, 3], np.array([[2, 0], [-1, 0], [0, 1]], np.float32))
    return run


class Checked(HTMLParser):
    """Requires that every element is closed, and keeps names of elements and attributes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.text = ""
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes.update(name for name, _ in attrs)
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def test_texts_are_escaped_and_nothing_is_loaded(run: datainf.Run) -> None:
    results: list[datainf.Result] = [
        datainf.mislabeled(run, POINT, flipped=FLIPPED, labels={1: "<b>", 2: "y", 3: "y"}),
        datainf.influence(run, POINT, labels={1: "<b>", 2: "y", 3: "y"}, validation_labels=["y"]),
        datainf.select(run, POINT, 0.5, labels={1: "<b>", 2: "y", 3: "y"}),
    ]
    for result in results:
        page = result.to_html(texts=TEXTS)
        checked = Checked(page)
        assert not checked.tags & {"script", "link", "iframe", "b"}
        assert not checked.attributes & {"onclick", "onerror", "srcset"}
        assert all(text in checked.text for text in TEXTS.values())
        assert "negative = helpful" in checked.text
        assert not re.search(r"https?:", page)
        assert "default-src 'none'; img-src data:" in page


def test_text_that_is_no_unicode_is_written(run: datainf.Run, tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    datainf.most_harmful(run, POINT).to_html(path, texts=lambda _: "half \ud83d <i>")
    assert "half &#55357; &lt;i&gt;" in path.read_text(encoding="utf-8")


def test_page_says_who_finds_flagged_samples_and_is_written(
    run: datainf.Run, tmp_path: Path
) -> None:
    path = tmp_path / "page.html"
    page = datainf.mislabeled(run, POINT, flipped=FLIPPED).to_html(path, rows=2)
    assert path.read_text(encoding="utf-8") == page
    text = Checked(page).text
    for column in ("datainf", "hessian_free", "cosine", "squared_norm", "self_influence"):
        assert column in text
    assert "95 % interval" in text
    assert "2 of 3 samples" in text
    with pytest.raises(ValueError, match="rows is 0"):
        datainf.mislabeled(run, POINT).to_html(rows=0)


def test_images_are_data_uris(run: datainf.Run) -> None:
    pixels = np.arange(12, dtype=np.uint8).reshape(3, 4)
    page = datainf.most_harmful(run, POINT).to_html(images=lambda _: pixels)
    uris = re.findall(r'<img src="data:image/png;base64,([^"]+)" alt="sample (\d)">', page)
    assert [sample_id for _, sample_id in uris] == ["2", "3", "1"]
    assert base64.b64decode(uris[0][0]).startswith(b"\x89PNG")


def test_pixels_come_back_from_the_picture() -> None:
    for pixels in (
        np.random.default_rng(0).integers(0, 256, (5, 7), np.uint8),
        np.random.default_rng(1).integers(0, 256, (2, 3, 3), np.uint8),
    ):
        png = base64.b64decode(data_uri("images", pixels).removeprefix("data:image/png;base64,"))
        begin = png.index(b"IDAT") + 4
        lines = zlib.decompress(png[begin : png.index(b"IEND") - 8])
        rows = np.frombuffer(lines, np.uint8).reshape(len(pixels), -1)
        np.testing.assert_array_equal(rows[:, 1:], pixels.reshape(len(pixels), -1))
    grey = data_uri("images", np.array([[0.0, 1.0]]))
    assert grey == data_uri("images", np.array([[0, 255]], np.uint8))


def test_pictures_of_other_kinds(tmp_path: Path) -> None:
    gif = b"GIF89a..."
    path = tmp_path / "picture.gif"
    path.write_bytes(gif)
    assert data_uri("images", gif) == data_uri("images", path) == data_uri("images", str(path))

    class OfPillow:
        def save(self, file: Any, format: str) -> None:  # noqa: A002  # as Pillow names it
            assert format == "PNG"
            file.write(b"\x89PNG\r\n\x1a\n...")

    assert data_uri("images", OfPillow()).startswith("data:image/png")
    for wrong, message in (
        (b"<svg onload='x'>", "expected PNG, JPEG, GIF or WebP"),
        (3, "has a int, expected bytes"),
        (np.zeros((2, 2, 4), np.uint8), r"shape \[2, 2, 4\], expected"),
        (np.zeros((2, 2), np.int64), "array of int64, expected uint8"),
    ):
        with pytest.raises(ValueError, match=message):
            data_uri("images", wrong)


def test_texts_and_images_of_unknown_ids_are_named(run: datainf.Run) -> None:
    result = datainf.most_harmful(run, POINT)
    with pytest.raises(ValueError, match="texts has nothing for sample id 3"):
        result.to_html(texts={1: "a", 2: "b"})
    with pytest.raises(ValueError, match="images has nothing for sample id 2"):
        result.to_html(images=[b"GIF8", b"GIF8"])
    # Only what is shown is looked up.
    assert "b</div>" in result.to_html(texts={2: "b"}, rows=1)


def test_sign_of_dattri_negates_what_has_a_sign(run: datainf.Run) -> None:
    result = datainf.mislabeled(run, POINT, losses=lambda _: 0.5)
    paper, other = result.to_pandas(), result.to_pandas(sign="dattri")
    for name in ("datainf", "hessian_free", "cosine"):
        assert (other[name] == -paper[name]).all()
    for name in ("rank", "sample_id", "squared_norm", "self_influence", "loss"):
        assert (other[name] == paper[name]).all()
    ids, scores = result.numpy(sign="dattri")
    assert ids.tolist() == [2, 3, 1]
    assert scores[0] < 0 < scores[2]
    assert not np.signbit(scores[1])
    assert "positive = helpful" in result.to_html(sign="dattri")
    with pytest.raises(ValueError, match="sign is 'captum', expected 'paper' or 'dattri'"):
        result.to_pandas(sign="captum")  # type: ignore[arg-type]


def test_query_result_takes_the_sign_too(run: datainf.Run) -> None:
    result = run.query(np.stack([POINT, -POINT]))
    np.testing.assert_array_equal(result.numpy(sign="dattri")[1], -result.scores)
    arrow = result.to_arrow(sign="dattri")
    assert arrow.column_names == ["validation_index", "sample_id", "score"]
    assert arrow["score"].to_pylist() == (-result.scores).reshape(-1).tolist()
    assert result.to_pandas()["score"].tolist() == result.scores.reshape(-1).tolist()
    with pytest.raises(ValueError, match="sign is ''"):
        result.numpy(sign="")  # type: ignore[arg-type]


def test_arrow_and_pandas_have_the_same_table(run: datainf.Run) -> None:
    results: list[datainf.Result] = [
        datainf.mislabeled(run, POINT, flipped=FLIPPED),
        datainf.influence(run, POINT, labels={1: "x", 2: "y", 3: "y"}, validation_labels=["y"]),
        datainf.select(run, POINT, 0.5, per_label=False),
        datainf.compare_methods(run, POINT),
        datainf.damping_study(run, POINT, exact=False, flipped=FLIPPED),
    ]
    for result in results:
        table = result.to_pandas()
        arrow = result.to_arrow()
        assert arrow.column_names == list(table.columns)
        assert len(table) == arrow.num_rows
        for name in arrow.column_names:
            np.testing.assert_array_equal(arrow[name].to_numpy(), table[name].to_numpy())


def test_charts_are_drawn_on_their_own_figure_or_on_given_axes(run: datainf.Run) -> None:
    from matplotlib.figure import Figure  # noqa: PLC0415

    found = datainf.mislabeled(run, POINT, flipped=FLIPPED)
    assert found.plot().get_ylabel() == "share of flagged samples found"
    axes = Figure().add_subplot()
    assert datainf.most_harmful(run, POINT).plot(axes) is axes
    choice = datainf.select(run, POINT, 0.5, labels={1: "x", 2: "y", 3: "y"})
    assert [bar.get_height() for bar in choice.plot().patches] == [1.0, 0.5]
    assert datainf.influence(run, POINT).plot().images[0].get_array().shape == (1, 3)


def test_without_optional_libraries_it_says_what_to_install(
    run: datainf.Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = datainf.most_harmful(run, POINT)
    for module in ("pandas", "pyarrow", "matplotlib.figure"):
        monkeypatch.setitem(__import__("sys").modules, module, None)
    for attempt, extra in (
        (result.to_pandas, "pandas"),
        (result.to_arrow, "arrow"),
        (result.plot, "plot"),
    ):
        with pytest.raises(ImportError, match=rf"datainf-client\[{extra}\]"):
            attempt()
