"""docs/adding-a-model.md: all of it, run in its order; its figures, against those of the paper."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest
import tomli

from tests.docs.markdown import ROOT, file_name, of_language, read

if TYPE_CHECKING:
    from tests.docs.conftest import RunPage
    from tests.docs.runner import Runner

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
def ran(run_page: RunPage) -> Runner:
    return run_page(PAGE, empty=True)


def test_the_files_on_the_page() -> None:
    assert [name for name in map(file_name, read(PAGE)) if name] == ["mobilenet_v1.py", "digits.py"]


@pytest.mark.slow
def test_the_command_line_knows_the_model(ran: Runner) -> None:
    assert re.search(
        r"mobilenet_v1 .* 224x224x3 +4,253,864 +568,740,352 ", ran.said("zoo --models mobilenet_v1.py list")
    )
    shown = of_language(PAGE, "text")[0]
    assert ran.said("zoo --models mobilenet_v1.py info").rstrip().endswith(shown.rstrip())


@pytest.mark.slow
def test_it_is_the_published_net(ran: Runner) -> None:
    found = re.findall(r"^(\S+) +(\S+) M parameters, (\d+) M MACs$", ran.said("import zoo"), re.MULTILINE)
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
def test_the_spec_says_what_the_built_model_has(ran: Runner) -> None:
    [source] = [str(example.parsed) for example in read(PAGE) if file_name(example) == "mobilenet_v1.py"]
    params, macs = (re.search(rf"{name}=([\d_]+)", source) for name in ("params", "macs"))
    assert params
    assert macs
    shown = ran.said("zoo --models mobilenet_v1.py info")
    assert f"{int(params[1]):,} parameters" in shown
    assert f"{int(macs[1]):,} MACs" in shown


@pytest.mark.slow
def test_it_learns_by_its_recipe_and_its_int8_file_names_the_seven(ran: Runner) -> None:
    trained = ran.said("zoo --models mobilenet_v1.py train")
    accuracy = re.search(r"accuracy ([\d.]+)% on 364 files of the validation split, best epoch \d+ of 10", trained)
    assert accuracy
    assert float(accuracy[1]) > 90
    recipe = tomli.loads((ran.folder / "run" / "recipe.toml").read_text(encoding="utf-8"))["recipe"]
    assert (recipe["epochs"], recipe["learning_rate"]) == (10, 0.01)
    shares = dict(re.findall(r"^mobilenet_v1_0\.25_64(_int8)?\.tflite .*? ([\d.]+)%", trained, re.MULTILINE))
    assert abs(float(shares[""]) - float(accuracy[1])) <= 0.3
    assert float(shares["_int8"]) >= float(accuracy[1]) - 2
    assert re.search(r"digits/7/0007\.png\n +[\d.]+%  7\n", ran.said("zoo run"))
    inspected = ran.said("zoo inspect")
    assert "tflite-runtime 2.14: loads" in inspected
    assert "edgetpu_compiler 16: loads" in inspected


@pytest.mark.slow
def test_the_same_in_python(ran: Runner) -> None:
    assert "Prediction(label='7'" in ran.said("import keras")
    assert "Verification(inputs=32" in ran.said("import keras")


@pytest.mark.slow
def test_the_command_line_knows_its_weights(ran: Runner) -> None:
    assert "RANDOM" not in ran.said("zoo --models mobilenet_v1.py build")
    assert re.search(r"digits/7/0007\.png\n +[\d.]+%  7\n", ran.said("zoo run", 1))
    card = json.loads(ran.shell("zoo inspect mobilenet_v1_0.25_64.tflite --json"))["card"]
    assert (card["weights"], card["weights_from"]) == ("trained", "digits")


@pytest.mark.slow
def test_the_run_goes_on_without_the_file(ran: Runner) -> None:
    (ran.folder / "mobilenet_v1.py").unlink()
    again = ran.shell("zoo train --resume run")
    accuracy = re.compile(r"accuracy [\d.]+% on 364 files")
    assert accuracy.findall(again) == accuracy.findall(ran.said("zoo --models mobilenet_v1.py train"))
