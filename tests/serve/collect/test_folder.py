"""The folder that collects pictures: what it takes, what it refuses, and what it never touches."""

from __future__ import annotations

import errno
import io
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from PIL import Image

from tests.full import files_in, full_disk
from zoo.data import check
from zoo.errors import InputError, OutputError
from zoo.serve.collect.folder import MOST_CLASSES, SPARE, Collection, FullError, NotThereError, TooLargeError

PIXELS = 1_000_000


def jpeg(size: tuple[int, int] = (32, 24), colour: str = "red", kind: str = "JPEG") -> bytes:
    """Returns the content of a picture file."""
    stored = io.BytesIO()
    Image.new("RGB", size, colour).save(stored, kind)
    return stored.getvalue()


@pytest.fixture
def collection(tmp_path: Path) -> Collection:
    return Collection(tmp_path / "new" / "pictures")


def test_pictures_of_a_burst_have_a_name_in_common_and_the_newest_come_first(collection: Collection) -> None:
    collection.add_class("a dog")
    content = jpeg()
    names = [collection.add("a dog", content, "k3f", PIXELS)[0] for _ in range(3)]
    assert names == ["burst-k3f-0001.jpg", "burst-k3f-0002.jpg", "burst-k3f-0003.jpg"]
    (found,) = collection.classes()
    assert (found.name, found.count, found.files) == ("a dog", 3, tuple(reversed(names)))
    assert collection.read("a dog", names[0]) == content
    assert (collection.folder / "a dog" / names[0]).read_bytes() == content


def test_a_disk_that_fills_up_keeps_the_pictures_and_no_half_of_one(collection: Collection) -> None:
    collection.add_class("dog")
    first, _ = collection.add("dog", jpeg(), "k3f", PIXELS)
    with pytest.raises(OutputError, match="cannot write .*: File too large"), full_disk(100):
        collection.add("dog", jpeg(), "k3f", PIXELS)
    assert files_in(collection.folder) == [f"dog/{first}"]


def test_a_training_reads_what_was_collected(collection: Collection) -> None:
    for name in ("cat", "dog"):
        collection.add_class(name)
        for burst in ("a", "b", "c"):
            for shade in range(4):
                picture = jpeg(colour=f"rgb({shade * 40}, {ord(burst)}, {200 if name == 'cat' else 9})")
                collection.add(name, picture, f"{name}{burst}", PIXELS)
    found = check(collection.folder, (16, 16, 3), group_by=r"burst-\w+")
    assert (found.class_names, found.used) == (("cat", "dog"), 24)
    assert found.split_by.endswith(", 6 groups kept together")
    assert set(found.counts["validation"]) == {4}  # a burst is held out whole


def test_a_deleted_picture_is_gone_and_its_number_is_not_given_again(collection: Collection) -> None:
    collection.add_class("cat")
    for _ in range(2):
        collection.add("cat", jpeg(), "b", PIXELS)
    assert collection.delete("cat", "burst-b-0001.jpg").files == ("burst-b-0002.jpg",)
    assert collection.add("cat", jpeg(), "b", PIXELS)[0] == "burst-b-0003.jpg"
    with pytest.raises(NotThereError, match=r"there is no picture 'burst-b-0001\.jpg' of 'cat'"):
        collection.delete("cat", "burst-b-0001.jpg")


def test_what_somebody_deletes_at_the_same_time_is_not_there(
    collection: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second client, or a hand in the folder, is quicker than the request that has already found its picture."""
    for name in ("cat", "dog"):
        collection.add_class(name)
    file, _ = collection.add("cat", jpeg(), "b", PIXELS)
    unlink = Path.unlink
    monkeypatch.setattr(Path, "unlink", lambda self: [unlink(self), unlink(self)])
    with pytest.raises(NotThereError, match=rf"the picture {file} is not there any more"):
        collection.delete("cat", file)
    listed = Collection._folders(collection)
    shutil.rmtree(collection.folder / "dog")
    monkeypatch.setattr(Collection, "_folders", lambda _: listed)
    assert [(one.name, one.count) for one in collection.classes()] == [("cat", 0), ("dog", 0)]


def test_a_class_that_may_not_be_read_is_said_in_one_line(
    collection: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    collection.add_class("cat")
    iterdir = Path.iterdir

    def refuse(self: Path) -> Iterator[Path]:  # root may read all
        if self.name == "cat":
            raise PermissionError(errno.EACCES, "Permission denied")
        return iterdir(self)

    monkeypatch.setattr(Path, "iterdir", refuse)
    with pytest.raises(OutputError, match=r"cannot read .*/cat: Permission denied"):
        collection.classes()
    assert Collection(collection.folder).most == collection.most


def test_a_new_server_removes_what_a_killed_one_has_begun(collection: Collection) -> None:
    collection.add_class("cat")
    program = (
        "import os, sys; from pathlib import Path; from zoo.files.writing import atomic\n"
        "with atomic(Path(sys.argv[1])): os.kill(os.getpid(), 9)"
    )
    place = collection.folder / "cat" / "burst-b-0001.jpg"
    assert subprocess.run([sys.executable, "-c", program, str(place)], check=False).returncode == -9
    assert len(list(place.parent.iterdir())) == 1
    Collection(collection.folder)
    assert list(place.parent.iterdir()) == []


def test_files_that_were_not_collected_here_are_counted_and_left_alone(collection: Collection) -> None:
    collection.add_class("cat")
    own = collection.folder / "cat" / "holiday.jpg"
    own.write_bytes(jpeg())
    (collection.folder / "cat" / "notes.txt").write_text("no picture")
    assert [(one.count, one.files) for one in collection.classes()] == [(1, ())]
    for name in ("holiday.jpg", "notes.txt", "../cat/holiday.jpg", "burst-b-0001.jpg/../holiday.jpg", ""):
        with pytest.raises(NotThereError):
            collection.delete("cat", name)
        with pytest.raises(NotThereError):
            collection.read("cat", name)
    assert own.exists()


def test_links_lead_nowhere(collection: Collection, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "burst-a-0001.jpg").write_bytes(jpeg())
    (collection.folder / "linked").symlink_to(outside, target_is_directory=True)
    collection.add_class("cat")
    (collection.folder / "cat" / "burst-a-0001.jpg").symlink_to(outside / "burst-a-0001.jpg")
    assert [one.name for one in collection.classes()] == ["cat"]
    for name in ("linked", "..", ".", "", "../outside", str(outside)):
        with pytest.raises(NotThereError, match="there is no class"):
            collection.delete(name, "burst-a-0001.jpg")
        with pytest.raises(NotThereError, match="there is no class"):
            collection.add(name, jpeg(), "a", PIXELS)
    with pytest.raises(NotThereError):
        collection.read("cat", "burst-a-0001.jpg")
    assert len(list(outside.iterdir())) == 1


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("", "1 to 80 characters"),
        (" ", "1 to 80 characters"),
        ("x" * 81, "1 to 80 characters"),
        ("ü" * 80 + "ü", "1 to 80 characters"),
        ("a/b", "leave out"),
        ("..", "leave out"),
        (".hidden", "leave out"),
        ("a:b", "leave out"),
        ("a\0b", r"U\+0000"),
        ("a\u202eb", r"U\+202E"),
        ("a\nb", r"U\+000A"),
        ("validation", "read as the validation part"),
        ("Train", "read as the train part"),
    ],
)
def test_names_that_no_class_may_have(collection: Collection, name: str, says: str) -> None:
    with pytest.raises(InputError, match=says) as caught:
        collection.add_class(name)
    assert "\n" not in str(caught.value)
    assert list(collection.folder.iterdir()) == []


def test_names_that_are_much_alike_are_one(collection: Collection) -> None:
    collection.add_class("A dog")
    with pytest.raises(InputError, match="there is a class 'A dog' already"):
        collection.add_class("a  DOG")
    assert collection.add_class("Läufer 走").name == "Läufer 走"


@pytest.mark.parametrize("content", [b"", b"no picture", jpeg()[:200], jpeg(kind="PNG")])
def test_only_whole_jpeg_pictures_are_stored(collection: Collection, content: bytes) -> None:
    collection.add_class("cat")
    with pytest.raises(InputError):
        collection.add("cat", content, "b", PIXELS)
    assert list((collection.folder / "cat").iterdir()) == []


def test_large_pictures_and_strange_bursts_are_refused(collection: Collection) -> None:
    collection.add_class("cat")
    with pytest.raises(TooLargeError, match=r"32x24 pixels; the limit here is 0\.0007 megapixels"):
        collection.add("cat", jpeg(), "b", 700)
    for burst in ("", "B", "../a", "a" * 17):
        with pytest.raises(InputError, match="is not allowed; give 1 to 16 digits and letters"):
            collection.add("cat", jpeg(), burst, PIXELS)


def test_a_full_collection_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    collection = Collection(tmp_path, most=1)
    collection.add_class("cat")
    collection.add("cat", jpeg(), "b", PIXELS)
    with pytest.raises(FullError, match=r"there are 1 pictures, the most .* \(--max-pictures\)"):
        collection.add("cat", jpeg(), "b", PIXELS)
    collection.most = 5
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=SPARE))
    with pytest.raises(FullError, match="less than 200 MB are free on the disk"):
        collection.add("cat", jpeg(), "b", PIXELS)
    for number in range(MOST_CLASSES - 1):
        (tmp_path / f"class {number}").mkdir()
    with pytest.raises(FullError, match="there are 100 classes"):
        collection.add_class("one more")


def test_a_folder_that_cannot_be_written_to_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match="a file stands where a folder should be"):
        Collection(tmp_path / "file" / "pictures")


@pytest.mark.parametrize("name", ["CON", "nul", "aux", "COM1.txt", "lpt9.a.b"])
def test_names_that_windows_keeps_for_devices_are_refused(name: str, collection: Collection) -> None:
    with pytest.raises(InputError, match="is not allowed for a class: folders cannot have such names on every system"):
        collection.add_class(name)
    collection.add_class("console")
    assert [one.name for one in collection.classes()] == ["console"]
