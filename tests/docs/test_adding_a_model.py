"""docs/adding-a-model.md: all of it, run in its order; its figures, against those of the paper."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest
import tomli

from tests.docs.markdown import ROOT, of_language, read

if TYPE_CHECKING:
    from tests.docs.conftest import RunPage
    from tests.docs.runner import Runner

PAGE = "docs/adding-a-model.md"

# Ma et al. 2018, https://arxiv.org/abs/1807.11164, table 5, in millions; and what torchvision states for its weights:
# `num_params`, and `_ops` in thousand millions.
PUBLISHED = {
    "shufflenet_v2_0.5": ("1.4 M", "41 M", 1_366_792, 0.04),
    "shufflenet_v2": ("2.3 M", "146 M", 2_278_604, 0.145),
    "shufflenet_v2_1.5": ("3.5 M", "299 M", 3_503_624, 0.296),
    "shufflenet_v2_2": ("7.4 M", "591 M", 7_393_996, 0.583),
}


@pytest.fixture(scope="module")
def ran(run_page: RunPage) -> Runner:
    return run_page(PAGE, empty=True)


def test_the_files_on_the_page() -> None:
    assert [block.file for block in read(PAGE) if block.file] == ["shufflenet_v2.py", "digits.py"]


@pytest.mark.slow
def test_the_command_line_knows_the_model(ran: Runner) -> None:
    listed = ran.said("zoo --models shufflenet_v2.py list")
    assert re.search(r"^shufflenet_v2 +classification +2\.29 M +145 M +60\.6 to 76\.2% +digits", listed, re.MULTILINE)
    shown = of_language(PAGE, "text")[0]
    assert ran.said("zoo --models shufflenet_v2.py info").rstrip().endswith(shown.rstrip())


@pytest.mark.slow
def test_it_is_the_published_net(ran: Runner) -> None:
    found = re.findall(r"^(\S+) +(\S+) parameters, (\S+) M MACs$", ran.said("import zoo"), re.MULTILINE)
    here = {name: (int(params.replace(",", "")), float(macs)) for name, params, macs in found}
    assert here.keys() == PUBLISHED.keys()
    table = re.findall(r"^\| `(\S+)` \| (.*) \|$", (ROOT / PAGE).read_text(encoding="utf-8"), re.MULTILINE)
    assert len(table) == len(PUBLISHED)
    for name, cells in table:
        (params, macs), (paper, multiplied, exact, billions) = here[name], PUBLISHED[name]
        assert params == exact
        assert f"{params / 1e6:.1f} M" == paper
        assert macs == pytest.approx(1000 * billions, abs=0.6)
        # The paper counts more than convolutions and dense layers, one percent or so.
        assert 0.98 < macs / float(multiplied.split()[0]) < 1
        assert cells.split(" | ") == [
            paper, multiplied, f"{exact:,}", f"{1000 * billions:.0f} M", f"{params:,}", f"{macs} M",
        ]  # fmt: skip


@pytest.mark.slow
def test_the_spec_says_what_the_built_model_has(ran: Runner) -> None:
    [source] = [block.text for block in read(PAGE) if block.file == "shufflenet_v2.py"]
    params, macs = (re.search(rf"{name}=([\d_]+)", source) for name in ("params", "macs"))
    assert params
    assert macs
    shown = ran.said("zoo --models shufflenet_v2.py info")
    assert f"{int(params[1]):,} parameters" in shown
    assert f"{int(macs[1]):,} MACs" in shown


@pytest.mark.slow
def test_it_learns_by_its_recipe_and_its_int8_file_names_the_seven(ran: Runner) -> None:
    trained = ran.said("zoo --models shufflenet_v2.py train")
    accuracy = re.search(r"accuracy ([\d.]+)% on 164 files of the validation split, best epoch \d+ of 6", trained)
    assert accuracy
    assert float(accuracy[1]) > 90
    recipe = tomli.loads((ran.folder / "run" / "recipe.toml").read_text(encoding="utf-8"))["recipe"]
    assert (recipe["epochs"], recipe["learning_rate"]) == (6, 0.01)
    shares = dict(re.findall(r"^shufflenet_v2_0\.5_64(_int8)?\.tflite .*? ([\d.]+)%", trained, re.MULTILINE))
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
    assert "RANDOM" not in ran.said("zoo --models shufflenet_v2.py build")
    assert re.search(r"digits/7/0007\.png\n +[\d.]+%  7\n", ran.said("zoo run", 1))
    card = json.loads(ran.shell("zoo inspect shufflenet_v2_0.5_64.tflite --json"))["card"]
    assert (card["weights"], card["weights_from"]) == ("trained", "digits")


@pytest.mark.slow
def test_the_run_goes_on_without_the_file(ran: Runner) -> None:
    (ran.folder / "shufflenet_v2.py").unlink()
    again = ran.shell("zoo train --resume run")
    accuracy = re.compile(r"accuracy [\d.]+% on 164 files")
    assert accuracy.findall(again) == accuracy.findall(ran.said("zoo --models shufflenet_v2.py train"))
