"""The drawing of a net: the text in the picture, and its format."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

import zoo
from zoo.errors import InputError
from zoo.plots import save
from zoo.summary.blocks import blocks
from zoo.summary.drawing import draw
from zoo.summary.table import outline
from zoo.text import short_number

if TYPE_CHECKING:
    from tests.conftest import Cli


def texts(svg: Path) -> list[str]:
    """Returns the texts of an SVG: matplotlib writes letters as outlines, and the text as a comment before them."""
    return re.findall(r"<!-- (.+?) -->", svg.read_text(encoding="utf-8"))


def words(drawing: Any) -> list[str]:
    """Returns the lines of all texts of a figure, which need not be drawn."""
    from matplotlib.text import Text

    return [line for text in drawing.findobj(Text) for line in text.get_text().splitlines()]


@pytest.fixture
def drawings(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The figures that `draw` makes, which are not drawn: their texts are known before."""
    made: list[Any] = []
    monkeypatch.setattr("zoo.summary.drawing.save", lambda drawing, _: made.append(drawing))
    return made


@pytest.mark.slow
def test_all_texts_of_a_figure_stand_in_the_picture(drawings: list[Any], tmp_path: Path) -> None:
    draw(outline("mobilenet_v2"), tmp_path / "net.svg", subtitle="a subtitle")
    save(drawings[0], tmp_path / "net.svg")
    assert "a subtitle" in texts(tmp_path / "net.svg")
    assert texts(tmp_path / "net.svg") == words(drawings[0])


@pytest.mark.slow
@pytest.mark.parametrize("name", zoo.list_models())
def test_every_block_stands_in_the_picture(name: str, drawings: list[Any], tmp_path: Path) -> None:
    summary = outline(name)
    draw(summary, tmp_path / "net.svg", subtitle="a subtitle")
    shown = words(drawings[0])
    assert shown[0] == name
    assert f"{summary.params:,} parameters" in shown[1]
    assert "a subtitle" in shown
    for block in blocks(summary):
        assert "×".join(map(str, block.output_shape)) in shown
        if block.params:
            assert short_number(block.params) in shown
        if block.receptive_field:
            assert "×".join(map(str, block.receptive_field)) in shown


@pytest.mark.slow
def test_the_same_drawing_gives_the_same_bytes(tmp_path: Path) -> None:
    for file in ("one.svg", "two.svg"):
        draw(outline("lenet"), tmp_path / file)
    assert (tmp_path / "one.svg").read_bytes() == (tmp_path / "two.svg").read_bytes()


def test_a_vector_has_no_receptive_field(tmp_path: Path) -> None:
    draw(outline("mlp", features=12), tmp_path / "net.svg")
    assert "receptive field" not in texts(tmp_path / "net.svg")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (992, "992"),
        (1000, "1.00 k"),
        (9996, "10.0 k"),
        (999_600, "1.00 M"),
        (10_838_016, "10.8 M"),
        (102_764_544, "103 M"),
        (1_387_266_048, "1.39 G"),
    ],
)
def test_short_numbers(value: int, text: str) -> None:
    assert short_number(value) == text


def test_other_formats_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"net\.pdf ends neither in \.png nor in \.svg"):
        draw(outline("lenet"), tmp_path / "net.pdf")
    assert not list(tmp_path.iterdir())


def test_the_command(cli: Cli, tmp_path: Path) -> None:
    picture = tmp_path / "new folder" / "lenet.PNG"
    result = cli("info", "lenet", "--plot", picture)
    assert (result.code, result.err) == (0, "")
    assert result.out.endswith(f"drawn: {picture}\n")
    with Image.open(picture) as image:
        assert image.format == "PNG"
        assert image.width > 800
    # With --json, standard output is only JSON.
    assert cli("info", "lenet", "--plot", tmp_path / "lenet.svg", "--json").out.endswith("}\n")
    assert "Gradient-Based Learning" in " ".join(texts(tmp_path / "lenet.svg"))


def test_the_command_finds_a_bad_name_first(cli: Cli, tmp_path: Path) -> None:
    result = cli("info", "lenet", "--plot", tmp_path / "lenet.jpg")
    assert result.code == 1
    assert result.error.endswith("lenet.jpg ends neither in .png nor in .svg; name a picture so")
    (tmp_path / "file").touch()
    assert "a file stands where a folder should be" in cli("info", "lenet", "--plot", tmp_path / "file/x.png").error
