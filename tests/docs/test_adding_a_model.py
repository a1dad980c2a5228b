"""docs/adding-a-model.md: all of it, typed in its order; its figures, against those of the paper."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import tomli

from tests.docs.reading import ROOT, blocks
from tests.docs.typed import ZOO, run, type_all

PAGE = "docs/adding-a-model.md"

# Howard et al. 2017, https://arxiv.org/abs/1704.04861: tables 6 and 7. Millions of parameters, and of mult-adds.
PAPER = {
    "mobilenet_v1": (4.2, 569),
    "mobilenet_v1_0.75": (2.6, 325),
    "mobilenet_v1_0.5": (1.3, 149),
    "mobilenet_v1_0.25": (0.5, 41),
    "mobilenet_v1_192": (4.2, 418),
    "mobilenet_v1_160": (4.2, 290),
    "mobilenet_v1_128": (4.2, 186),
}


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("desk")


@pytest.fixture(scope="module")
def printed(desk: Path) -> list[str]:
    """What each block printed."""
    return [text for _, text in type_all(PAGE, desk)]


def test_the_files_on_the_page() -> None:
    assert [block.file for block in blocks(PAGE) if block.file] == ["mobilenet_v1.py", "digits.py"]


@pytest.mark.slow
def test_the_command_line_knows_the_model(printed: list[str]) -> None:
    listed = printed[0]
    assert re.search(r"mobilenet_v1 .* 224x224x3 +4,253,864 +568,740,352 ", listed)
    shown = next(block.text for block in blocks(PAGE) if block.language == "text")
    assert listed.rstrip().endswith(shown.rstrip())


@pytest.mark.slow
def test_it_is_the_published_net(printed: list[str]) -> None:
    found = re.findall(r"^(\S+) +(\S+) M parameters, (\d+) M MACs$", printed[1], re.MULTILINE)
    assert {name: float(params) for name, params, _ in found} == {name: params for name, (params, _) in PAPER.items()}
    for name, _, macs in found:
        assert abs(int(macs) - PAPER[name][1]) <= 1, name
    table = re.findall(r"^\| `(\S+)` \| (.*) \|$", (ROOT / PAGE).read_text(encoding="utf-8"), re.MULTILINE)
    here = {name: (f"{params} M", f"{macs} M") for name, params, macs in found}
    for name, cells in table:
        paper = tuple(f"{value} M" for value in PAPER[name])
        assert cells.split(" | ") == [*paper, *here[name]]
    assert len(table) == len(PAPER)


@pytest.mark.slow
def test_the_spec_says_what_the_built_model_has(printed: list[str]) -> None:
    source = next(block.text for block in blocks(PAGE) if block.file == "mobilenet_v1.py")
    params, macs = (re.search(rf"{name}=([\d_]+)", source) for name in ("params", "macs"))
    assert params
    assert macs
    assert f"{int(params[1]):,} parameters" in printed[0]
    assert f"{int(macs[1]):,} MACs" in printed[0]


@pytest.mark.slow
def test_it_learns_by_its_recipe_and_its_int8_file_names_the_seven(printed: list[str], desk: Path) -> None:
    trained = printed[3]
    accuracy = re.search(r"accuracy ([\d.]+)% on 379 files of the validation split, best epoch \d+ of 10", trained)
    assert accuracy
    assert float(accuracy[1]) > 90
    recipe = tomli.loads((desk / "run" / "recipe.toml").read_text(encoding="utf-8"))["recipe"]
    assert (recipe["epochs"], recipe["learning_rate"]) == (10, 0.01)
    shares = dict(re.findall(r"^mobilenet_v1_0\.25_64(_int8)?\.tflite .* ([\d.]+)%", trained, re.MULTILINE))
    assert abs(float(shares[""]) - float(accuracy[1])) <= 0.3
    assert float(shares["_int8"]) >= float(accuracy[1]) - 2
    assert re.search(r"digits/7/0007\.png\n +[\d.]+%  7\n", trained)
    assert "tflite-runtime 2.14: loads" in trained
    assert "edgetpu_compiler 16: loads" in trained


@pytest.mark.slow
def test_the_same_in_python(printed: list[str]) -> None:
    assert "Prediction(label='7'" in printed[4]
    assert "Verification(inputs=32" in printed[4]


@pytest.mark.slow
def test_the_command_line_knows_its_weights(printed: list[str], desk: Path) -> None:
    assert "RANDOM" not in printed[5]
    assert re.search(r"digits/7/0007\.png\n +[\d.]+%  7\n", printed[5])
    card = json.loads(run([ZOO, "inspect", "mobilenet_v1_0.25_64.tflite", "--json"], desk))["card"]
    assert (card["weights"], card["weights_from"]) == ("trained", "digits")


@pytest.mark.slow
def test_the_run_goes_on_without_the_file(printed: list[str], desk: Path) -> None:
    (desk / "mobilenet_v1.py").unlink()
    again = run([ZOO, "train", "--resume", "run"], desk)
    accuracy = re.compile(r"accuracy [\d.]+% on 379 files")
    assert accuracy.findall(again) == accuracy.findall(printed[3])
