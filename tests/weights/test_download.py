from __future__ import annotations

import hashlib
import socket
from typing import TYPE_CHECKING

import pytest

from zoo.errors import OutputError, WeightsError
from zoo.weights import download
from zoo.weights.download import fetch

if TYPE_CHECKING:
    from pathlib import Path

    from tests.weights.conftest import Server

CONTENT = bytes(range(256)) * 4000
MD5 = hashlib.md5(CONTENT).hexdigest()


@pytest.fixture
def url(server: Server) -> str:
    (server.folder / "file.h5").write_bytes(CONTENT)
    return f"{server.url}/file.h5"


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "models" / "file.h5"


def part(target: Path) -> Path:
    return target.with_name("file.h5.part")


def test_a_download_with_its_progress(url: str, target: Path) -> None:
    told: list[tuple[int, int]] = []
    assert fetch(url, target, md5=MD5, progress=lambda *at: told.append(at)) == target
    assert target.read_bytes() == CONTENT
    assert [path.name for path in target.parent.iterdir()] == ["file.h5"]
    assert told[-1] == (len(CONTENT), len(CONTENT))
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    assert len(told) > 1


def test_what_is_there_is_not_downloaded_again(url: str, target: Path, server: Server) -> None:
    fetch(url, target)
    fetch(url, target, md5=MD5)
    assert len(server.requests) == 1


def test_a_wrong_file_in_the_cache_is_replaced(url: str, target: Path) -> None:
    target.parent.mkdir(parents=True)
    target.write_bytes(b"half of it")
    fetch(url, target, md5=MD5)
    assert target.read_bytes() == CONTENT


def test_a_half_download_goes_on_where_it_stopped(url: str, target: Path, server: Server) -> None:
    target.parent.mkdir(parents=True)
    part(target).write_bytes(CONTENT[:300_000])
    told: list[tuple[int, int]] = []
    fetch(url, target, md5=MD5, progress=lambda *at: told.append(at))
    assert target.read_bytes() == CONTENT
    assert server.requests == [("/file.h5", "bytes=300000-")]
    assert told[0][0] > 300_000
    assert told[-1] == (len(CONTENT), len(CONTENT))


def test_a_whole_part_only_needs_its_name(url: str, target: Path) -> None:
    target.parent.mkdir(parents=True)
    part(target).write_bytes(CONTENT)
    fetch(url, target, md5=MD5)
    assert target.read_bytes() == CONTENT


@pytest.mark.parametrize("left", [b"of another file" * 1000, CONTENT + b"and more"])
@pytest.mark.parametrize("md5", [MD5, None], ids=["hash", "server's hash"])
def test_a_part_of_another_file_is_given_up(url: str, target: Path, left: bytes, md5: str | None) -> None:
    target.parent.mkdir(parents=True)
    part(target).write_bytes(left)
    fetch(url, target, md5=md5)
    assert target.read_bytes() == CONTENT


def test_a_server_without_ranges(url: str, target: Path, server: Server) -> None:
    server.knows_ranges = False
    target.parent.mkdir(parents=True)
    part(target).write_bytes(CONTENT[:300_000])
    fetch(url, target)
    assert target.read_bytes() == CONTENT


def test_dropped_connections_are_taken_up_again(url: str, target: Path, server: Server) -> None:
    server.drop_after = 300_000
    fetch(url, target, md5=MD5)
    assert target.read_bytes() == CONTENT
    assert [asked for _, asked in server.requests] == ["", *(f"bytes={n}00000-" for n in (3, 6, 9))]


def test_a_server_that_sends_nothing_is_given_up_and_what_came_is_kept(url: str, target: Path, server: Server) -> None:
    target.parent.mkdir(parents=True)
    part(target).write_bytes(CONTENT[:300_000])
    server.drop_after = 0
    with pytest.raises(
        WeightsError, match=r"broke off after 0\.3 MB \(.*\); run it again to go on from there"
    ) as caught:
        fetch(url, target)
    assert str(target) in str(caught.value)
    assert len(server.requests) == download.RETRIES
    assert part(target).read_bytes() == CONTENT[:300_000]
    assert not target.exists()
    server.drop_after = None
    fetch(url, target)
    assert target.read_bytes() == CONTENT


def test_a_wrong_hash(url: str, target: Path) -> None:
    with pytest.raises(WeightsError, match=f"its MD5 is {MD5}, not {'0' * 32}; it was not kept"):
        fetch(url, target, md5="0" * 32)
    assert list(target.parent.iterdir()) == []


def test_404(url: str, target: Path, server: Server) -> None:
    with pytest.raises(WeightsError) as caught:
        fetch(url + "x", target)
    assert str(caught.value) == (
        f"{url}x answers 404 Not Found; download {url}x on another machine and put it at {target}"
    )
    assert len(server.requests) == 1
    assert list(target.parent.iterdir()) == []


def test_a_server_in_trouble_is_asked_again(url: str, target: Path, server: Server) -> None:
    server.status = 503
    with pytest.raises(WeightsError, match=f"cannot reach {url} .it answers 503 Service Unavailable.; download"):
        fetch(url, target)
    assert len(server.requests) == download.RETRIES


def test_offline(target: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/file.h5"
        with pytest.raises(WeightsError) as caught:
            fetch(url, target)
    assert str(caught.value).startswith(f"cannot reach {url} (")
    assert str(caught.value).endswith(f"; download {url} on another machine and put it at {target}")
    assert list(target.parent.iterdir()) == []


def test_an_address_that_is_none(target: Path) -> None:
    with pytest.raises(
        WeightsError, match=r"^here/file.h5 is no http or https address; correct it \(EDGEZOO_WEIGHTS_URL\)$"
    ):
        fetch("here/file.h5", target)


def test_a_place_that_cannot_be_written(url: str, tmp_path: Path) -> None:
    (tmp_path / "models").write_text("in the way")
    with pytest.raises(OutputError, match=f"cannot write {tmp_path}/models/file.h5"):
        fetch(url, tmp_path / "models" / "file.h5")


def test_an_interrupt_keeps_what_came(url: str, target: Path) -> None:
    def interrupt(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch(url, target, progress=interrupt)
    assert 0 < part(target).stat().st_size < len(CONTENT)
    assert not target.exists()
    fetch(url, target, md5=MD5)
    assert target.read_bytes() == CONTENT
