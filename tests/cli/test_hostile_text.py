"""Untrusted labels, cards and names reach the terminal only in escaped form, in all commands."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import unicodedata
import zipfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from zoo.cli.output import print_error, print_json, print_table
from zoo.runner.demo import folder as demo_folder
from zoo.tflite.card import describe

TITLE = "\x1b]0;owned\x07\x1b]52;c;cm0=\x07\x1b[2J\x9b31m\u202egnp.exe\u2066\u200b"
"""Text that sets a terminal's title and clipboard, clears and colours it, and reverses or hides the text after it."""
FORMULA = '=HYPERLINK("mailto:a"&A1)'


def write_evil(path: Path, labels: list[str], **card: Any) -> Path:
    """Makes the demo's model with other labels and more in its card."""
    source = demo_folder() / "digits_int8.tflite"
    own = describe(source).card
    content = io.BytesIO(source.read_bytes()[: own["flatbuffer"]["bytes"]])
    with zipfile.ZipFile(content, "a") as archive:
        archive.writestr("labels.txt", "\n".join(labels).encode("utf-8", "surrogatepass"))
        archive.writestr("card.json", json.dumps(own | card))
    path.write_bytes(content.getvalue())
    return path


def require_plain(text: str) -> None:
    """Checks that output has no control sequence, does not reverse text, and can be written as UTF-8."""
    for char in text.replace("\n", ""):
        assert unicodedata.category(char) not in {"Cc", "Cs", "Zl", "Zp"}, ascii(text)
        assert char not in "\u200b\u200e\u200f\u061c\ufeff\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069", (
            ascii(text)
        )


def run(cli: Any, *args: Any) -> Any:
    """Runs a command in this process, and checks that its output is plain text."""
    done = cli(*args)
    require_plain(done.out)
    require_plain(done.err)
    return done


@pytest.fixture
def evil(tmp_path: Path) -> Path:
    """A folder with such a model and class folders of pictures, one of them damaged, all with malicious names."""
    labels = [f"[red]:warning:{TITLE}{i}" for i in range(9)] + [FORMULA]
    write_evil(
        tmp_path / f"m{TITLE}.tflite", labels, license=TITLE, model="\u202efdp", x={TITLE: [float("nan"), TITLE]}
    )
    for label, picture in ((labels[2], "two"), (FORMULA, "nine")):
        (tmp_path / "data" / label).mkdir(parents=True)
        for i, path in enumerate(sorted((demo_folder() / "pictures" / picture).iterdir())[:2]):
            shutil.copy(path, tmp_path / "data" / label / f"{i}{TITLE}\nzoo: error: none.png")
    (tmp_path / "data" / FORMULA / f"bad{TITLE}.png").write_bytes(b"broken")
    return tmp_path


@pytest.mark.slow
def test_no_command_on_a_strangers_file_prints_what_a_terminal_obeys(cli: Any, evil: Path) -> None:
    (model,) = evil.glob("m*.tflite")
    for args in (
        ("inspect", model), ("inspect", model, "--tensors"), ("inspect", model, "--json"),
        ("inspect", "--private", model),
        ("run", model, evil / "data"), ("run", model, evil / "data", "--json"), ("run", model, evil / "data", "--csv"),
        ("evaluate", model, evil / "data"), ("evaluate", model, evil / "data", "--json"),
        ("data", "check", evil / "data"), ("data", "check", evil / "data", "--json"),
        ("run", model, evil / f"none{TITLE}.png"), ("run", evil / f"none{TITLE}", "x.png"),
        ("info", TITLE), ("build", TITLE), ("train", "lenet", evil / TITLE), ("view", f"{TITLE}.tflite"), (TITLE,),
        ("export", evil / f"{TITLE}.keras"), ("choose", "mobilenet_v2", "--from", evil / TITLE),
    ):  # fmt: skip
        done = run(cli, *args)
        assert done.out or done.err, args
        if "--json" in args:
            for line in done.out.splitlines() if "run" in args else [done.out]:
                json.loads(line, parse_constant=pytest.fail)
    assert "problem: the name of class" in run(cli, "data", "check", evil / "data").out
    assert "U+001B" in run(cli, "data", "check", evil / "data").error


@pytest.mark.long
def test_commands_that_start_processes_print_none_of_it_either(cli: Any, evil: Path, quick_benchmark: None) -> None:
    (model,) = evil.glob("m*.tflite")
    assert run(cli, "doctor", model).code == 0
    assert run(cli, "benchmark", model, "--runs", "1", "--warmup", "0").code == 0
    broken = evil / f"broken{TITLE}.tflite"
    broken.write_bytes(model.read_bytes()[:3000])
    run(cli, "doctor", broken)
    assert run(cli, "benchmark", broken).code == 1


@pytest.mark.slow
@given(
    label=st.text(st.characters(categories=None, codec="utf-8") | st.sampled_from("\x1b\x9b\u202e[]:='"), min_size=1),
    name=st.text(st.characters(codec="utf-8") | st.sampled_from("\x1b\x9b\u202e\udcff\n"), min_size=1, max_size=30),
    value=st.text(st.characters(categories=None)) | st.floats(),
)
@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_a_label_a_card_and_a_name_hold(
    label: str, name: str, value: Any, cli: Any, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("evil")
    line = "".join(label.splitlines()) or "x"
    model = write_evil(folder / "m.tflite", [f"{line}{i}" for i in range(10)], license=value)
    (folder / "pictures").mkdir()
    picture = (
        folder / "pictures" / (os.fsdecode(os.fsencode(name)[:200].replace(b"/", b"").replace(b"\0", b"")) + ".png")
    )
    Image.new("L", (9, 9)).save(picture, "PNG")
    run(cli, "inspect", model)
    json.loads(run(cli, "inspect", model, "--json").out, parse_constant=pytest.fail)
    assert run(cli, "run", model, picture).code == 0
    found = json.loads(run(cli, "run", model, picture, "--json").out)
    assert found["file"] == str(picture)
    rows = list(csv.reader(io.StringIO(run(cli, "run", model, picture, "--csv").out)))
    assert not any(row[column].startswith(("=", "+", "-", "@")) for row in rows for column in (0, 2))


def test_a_table_shows_brackets_and_colons_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("[bold]class", ":heart:"), [("[red]cat[/red]", "[link=http://e]:smile:[/link]")])
    out = capsys.readouterr().out
    for text in ("[bold]class", ":heart:", "[red]cat[/red]", "[link=http://e]:smile:[/link]"):
        assert text in out


def test_an_error_is_one_line_of_plain_text(capsys: pytest.CaptureFixture[str]) -> None:
    print_error(f"cannot read a{TITLE}\nb\x85c\u2028d")
    err = capsys.readouterr().err
    require_plain(err)
    assert err.count("\n") == 1
    assert r"\x1b]0;owned" in err


def test_json_for_a_terminal_that_is_not_utf_8_is_ascii(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii", errors="backslashreplace")
    monkeypatch.setattr("sys.stdout", stream)
    print_json({"label": "café 🐈"})
    stream.flush()
    assert json.loads(stream.buffer.getvalue()) == {"label": "café 🐈"}


def test_a_confusion_matrix_in_csv_begins_no_formula(cli: Any, evil: Path) -> None:
    (model,) = evil.glob("m*.tflite")
    run(cli, "evaluate", model, evil / "data", "--confusion", evil / "c.csv")
    rows = list(csv.reader((evil / "c.csv").read_text().splitlines()))
    assert rows[0][-1] == rows[-1][0] == f"'{FORMULA}"
    require_plain((evil / "c.csv").read_text())


def test_a_confusion_matrix_is_drawn_whatever_its_labels_are(cli: Any, tmp_path: Path) -> None:
    labels = ["$x^$", "$\\frac{$", "a_b", "\\", "x" * 5000, f"{TITLE}", "{", "$$", "%", "#"]
    model = write_evil(tmp_path / "m.tflite", labels)
    (tmp_path / "data" / "$x^$").mkdir(parents=True)
    for path in sorted((demo_folder() / "pictures" / "zero").iterdir())[:2]:
        shutil.copy(path, tmp_path / "data" / "$x^$")
    done = run(cli, "evaluate", model, tmp_path / "data", "--confusion", tmp_path / "c.png")
    assert (done.code, done.err) == (0, "")
    with Image.open(tmp_path / "c.png") as image:
        assert "Software" not in image.info
        assert max(image.size) < 3000


def test_labels_of_class_folders_that_hide_something_are_refused_at_export(cli: Any, tmp_path: Path) -> None:
    (tmp_path / "labels.txt").write_text("a\nb\u202ec\n")
    error = run(cli, "build", "lenet", "--labels", tmp_path / "labels.txt", "--out", tmp_path / "out").error
    assert error.startswith("label 2, ")
    assert "U+202E" in error
    assert not list(tmp_path.rglob("*.tflite"))


def test_a_bug_keeps_its_traceback_in_plain_text(capsys: pytest.CaptureFixture[str]) -> None:
    from zoo.cli.main import _show_bug

    try:
        raise RuntimeError(TITLE)
    except RuntimeError as error:
        _show_bug(RuntimeError, error, error.__traceback__)
    err = capsys.readouterr().err
    assert err.startswith("Traceback (most recent call last):\n")
    assert r"RuntimeError: \x1b]0;owned" in err
    require_plain(err)


def test_commands_print_through_one_module() -> None:
    """There must be only one place where text is escaped."""
    import ast

    import zoo.cli

    for path in Path(zoo.cli.__path__[0]).glob("*.py"):
        if path.name == "output.py":
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            called = ast.unparse(node.func)
            assert called not in {"click.echo", "click.secho", "sys.stdout.write", "sys.stderr.write"}, path
            # The remaining call gets lines that `shown` has escaped.
            assert called != "print" or path.name == "printing.py", path
