"""What files reveal about their maker; those of this package reveal little."""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from zoo.errors import InputError
from zoo.export import to_keras, to_savedmodel, to_tflite
from zoo.privacy.scan import CHUNK, private
from zoo.tflite.card import describe
from zoo.tflite.writing.metadata import append_files


def kinds(path: Path) -> set[str]:
    """Returns the kinds of findings in a file."""
    return {telling.kind for telling in private(path)}


def values(path: Path, kind: str) -> set[str]:
    """Returns the findings of one kind in a file."""
    return {telling.value for telling in private(path) if telling.kind == kind}


@pytest.mark.slow
def test_exports_tell_versions_and_nothing_of_paths_names_or_hosts(
    trained_lenet: Any, digits_folder: Path, tmp_path: Path
) -> None:
    home = tmp_path / "home" / "alice"
    facts = {
        "weights_from": str(home / "base.keras"),
        "more": {"list": [f"{home}/x.npy", r"C:\Users\alice\y.npy", home]},
    }
    report = to_tflite(trained_lenet, home / "m.tflite", quantize="int8", calibration=digits_folder, facts=facts)
    assert kinds(report.path) == {"version", "hash", "name"}
    assert values(report.path, "name") == {digits_folder.name, "base.keras"}
    # The only hash is that of the whole set, with a salt.
    assert values(report.path, "hash") == {describe(report.path).card["calibration"]["digest"]["value"]}
    assert report.card["more"] == {"list": ["x.npy", "y.npy", home.name]}
    assert kinds(to_keras(trained_lenet, home / "m.keras")) <= {"version", "time"}
    assert kinds(to_savedmodel(trained_lenet, home / "saved")) <= {"version"}
    for path in tmp_path.rglob("*"):
        if path.is_file():
            assert str(tmp_path).encode() not in path.read_bytes()


def test_a_card_of_an_older_version_tells_names_and_hashes(lenet_file: Path, tmp_path: Path) -> None:
    path = tmp_path / "old.tflite"
    path.write_bytes(lenet_file.read_bytes())
    files = [{"file": "cats/Passport Alice.png", "sha256": "ab" * 32}]
    card = {"weights_from": "/home/alice/base.keras", "calibration": {"source": "photos", "files": files}}
    path.write_bytes(path.read_bytes()[: describe(path).card["flatbuffer"]["bytes"]])
    append_files(path, {"labels.txt": "a\n", "card.json": json.dumps(card)})
    assert values(path, "path") == {"/home/alice/base.keras"}
    assert values(path, "name") == {"photos", "cats/Passport Alice.png"}
    assert values(path, "hash") == {"ab" * 32}


def test_a_picture_tells_where_and_by_whom_it_was_taken(tmp_path: Path) -> None:
    picture = Image.new("RGB", (20, 20))
    exif = picture.getexif()
    exif[0x013B], exif[0x0110], exif[0x0132] = "Alice", "Phone 7", "2025:01:02 03:04:05"
    exif[0x8825] = {1: "N", 2: (52.0, 30.0, 0.0)}
    picture.save(tmp_path / "a.jpg", exif=exif)
    assert values(tmp_path / "a.jpg", "name") == {"Alice"}
    assert values(tmp_path / "a.jpg", "device") == {"Phone 7"}
    assert values(tmp_path / "a.jpg", "time") == {"2025:01:02 03:04:05"}
    assert values(tmp_path / "a.jpg", "place") == {"N", "52.0 30.0 0.0"}
    picture.save(tmp_path / "b.png")
    assert private(tmp_path / "b.png") == []
    (tmp_path / "c.png").write_bytes(b"no picture")
    with pytest.raises(InputError, match=r"c\.png is not a picture"):
        private(tmp_path / "c.png")


@pytest.mark.parametrize(
    ("name", "content", "kind", "value"),
    [
        ("a.toml", 'path = "/srv/data/alice"\n', "path", "/srv/data/alice"),
        ("a.md", "in `~/photos/alice`", "path", "~/photos/alice"),
        ("a.csv", r"C:\Users\alice\x.png,cat", "path", r"C:\Users\alice\x.png"),
        ("a.json", '{"hostname": "desk-7"}', "host", "desk-7"),
        ("a.json", '{"n": ["file:///x"]}', "path", "file:///x"),
        ("a.json", "{not json /home/alice", "path", "/home/alice"),
        ("a.txt", "write to alice@example.org", "user", "alice@example.org"),
        ("a.toml", 'keras = "3.15.1"', "version", "keras 3.15.1"),
        ("a.bin", "\0\1/home/alice/x.py\0", "path", "/home/alice/x.py"),
    ],
)
def test_texts_and_bytes_are_searched(name: str, content: str, kind: str, value: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(content)
    assert [(t.kind, t.value) for t in private(tmp_path / name)] == [(kind, value)]


def test_text_that_only_looks_like_a_path_is_not_listed(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("see https://example.org/home/x, and/or 1/2, a:b, conv1/kernel, MIT/Apache\n")
    assert private(tmp_path / "a.md") == []


def test_event_files_of_tensorflow_tell_host_and_time(tmp_path: Path) -> None:
    import tensorflow as tf

    with tf.summary.create_file_writer(str(tmp_path / "theirs")).as_default():
        tf.summary.scalar("x", 1.0, step=1)
    assert {"host", "time"} <= kinds(tmp_path / "theirs")


@pytest.mark.slow
def test_a_path_across_two_parts_of_a_large_file_is_found(tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_bytes(b"\xff" * (CHUNK - 8) + b"/home/alice/secret.png" + b"\xff" * 9)
    assert "/home/alice/secret.png" in "".join(values(tmp_path / "a.bin", "path"))


def test_parts_of_archives_are_searched(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.keras", "w") as archive:
        archive.writestr(zipfile.ZipInfo("config.json"), '{"file": "/home/alice/x"}')
        archive.writestr(zipfile.ZipInfo("model.weights.h5", (2025, 1, 2, 3, 4, 0)), b"\0/home/bob/y\0")
    assert values(tmp_path / "a.keras", "path") == {"/home/alice/x", "/home/bob/y"}
    assert values(tmp_path / "a.keras", "time") == {"2025-01-02 03:04"}
    content = (tmp_path / "a.keras").read_bytes()
    (tmp_path / "b.keras").write_bytes(content.replace(b"alice", b"ALICE"))
    with pytest.raises(InputError, match="damaged archive"):
        private(tmp_path / "b.keras")


def test_on_the_command_line(cli: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "a.txt").write_text("nothing to see")
    assert cli("inspect", "--private", tmp_path / "run").out == "nothing\n"
    assert json.loads(cli("inspect", "--private", tmp_path / "run", "--json").out)["tells"] == []
    (tmp_path / "run" / "b.txt").write_text("/home/alice/x\x1b]0;t\x07")
    tells = json.loads(cli("inspect", "--private", tmp_path / "run", "--json").out)["tells"]
    assert tells == [{"kind": "path", "where": "b.txt", "value": "/home/alice/x"}]
    assert "/home/alice/x" in cli("inspect", "--private", tmp_path / "run").out
    assert "No such file" in cli("inspect", "--private", tmp_path / "none").error
    done = cli("inspect", "--private", "--tensors", tmp_path / "run")
    assert (done.code, done.out) == (2, "")


@pytest.mark.slow
def test_the_calibration_of_a_file_is_checked_on_the_command_line(
    cli: Callable[..., Any], trained_lenet: Any, digits_folder: Path, tmp_path: Path
) -> None:
    path = tmp_path / "m.tflite"
    to_tflite(trained_lenet, path, quantize="int8", calibration=digits_folder, calibration_samples=30)
    done = cli("inspect", path, "--calibration", digits_folder)
    assert (done.code, done.out) == (0, f"{path} was calibrated on {digits_folder}\n")
    (tmp_path / "others").mkdir()
    for i in range(30):
        Image.new("L", (9, 9), i).save(tmp_path / "others" / f"{i}.png")
    done = cli("inspect", path, "--calibration", tmp_path / "others", "--json")
    assert (done.code, json.loads(done.out)["calibrated_on"]) == (1, False)


def test_long_keys_are_shortened_in_findings(tmp_path: Path) -> None:
    inner = {f"{i} version": f"1.{i}" for i in range(500)}
    for _ in range(40):
        inner = {"k" * 10_000: inner}  # type: ignore[dict-item]
    (tmp_path / "a.json").write_text(json.dumps(inner))
    told = private(tmp_path / "a.json")
    assert {telling.value for telling in told} == {f"1.{i}" for i in range(500)}
    assert max(len(telling.where) for telling in told) < 1200


def test_a_key_is_searched_as_a_value_is(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(
        json.dumps({"files": {"/home/alice/cat.png": 1, "ab" * 32: {"x/alice@mail.org": 2}}})
    )
    assert {(t.kind, t.value) for t in private(tmp_path / "a.json")} == {
        ("path", "/home/alice/cat.png"),
        ("hash", "ab" * 32),
        ("user", "alice@mail.org"),
    }


def test_a_text_is_searched_to_its_end(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("zoo.privacy.scan.MAX_PART_BYTES", 100)
    (tmp_path / "a.csv").write_text("x\n" * 200 + "/home/alice/x\n")
    with zipfile.ZipFile(tmp_path / "a.keras", "w") as archive:
        archive.writestr(zipfile.ZipInfo("config.json"), " " * 200 + "/home/bob/y\n")
    assert values(tmp_path, "path") == {"/home/alice/x", "/home/bob/y"}


def test_bytes_are_searched_for_the_names_of_this_machine_and_its_user(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("platform.node", lambda: "tower-of-bob")
    monkeypatch.setenv("LOGNAME", "alicesmith")
    (tmp_path / "a.h5").write_bytes(b"\0\xff alicesmith\0at tower-of-bob\0")
    assert {(t.kind, t.value) for t in private(tmp_path / "a.h5")} == {("user", "alicesmith"), ("host", "tower-of-bob")}


@pytest.mark.parametrize(
    ("packing", "message"), [(zipfile.ZIP_DEFLATED, "its parts unpack from"), (zipfile.ZIP_LZMA, "in an unusual way")]
)
def test_an_archive_that_claims_much_more_than_it_holds_is_not_unpacked(
    packing: int, message: str, tmp_path: Path
) -> None:
    with zipfile.ZipFile(tmp_path / "a.npz", "w", packing) as archive:
        archive.writestr("a.npy", bytes(1 << 25))
    with pytest.raises(InputError, match=rf"a\.npz is refused: .*{message}"):
        private(tmp_path / "a.npz")


def test_a_device_and_a_named_pipe_are_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.h5")
    (tmp_path / "b.h5").symlink_to("/dev/zero")
    for name in ("a.h5", "b.h5"):
        with pytest.raises(InputError, match="is no file but a named pipe or a device"):
            private(tmp_path / name)
    assert private(tmp_path) == []


def test_a_picture_goes_to_the_decoder_of_its_kind_alone(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 28 28\n%%EndComments\n")
    with pytest.raises(InputError, match="is not a picture that Pillow can open"):
        private(tmp_path / "a.png")
    Image.new("L", (9, 9)).save(tmp_path / "b.jpg", "WEBP", exif=b"II*\0\x08\0\0\0\0\0")
    assert private(tmp_path / "b.jpg") == []
