from __future__ import annotations

from pathlib import Path

import pytest

from tests.training.distributed.meeting import SECRET
from zoo.errors import OptionError
from zoo.training.distributed.cluster import Cluster
from zoo.training.distributed.secret import find_secret


def test_workers_on_one_machine_need_no_secret_and_others_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EDGEZOO_SECRET", raising=False)
    for local in (("localhost:1", "localhost:2"), ("127.0.0.1:1", "[::1]:2")):
        assert find_secret(Cluster(local, 0), None) == b""
    apart = Cluster(("localhost:1", "192.168.0.11:1"), 0)
    with pytest.raises(OptionError, match="several machines, which need a secret .*--secret-file FILE, or EDGEZOO_SEC"):
        find_secret(apart, None)
    monkeypatch.setenv("EDGEZOO_SECRET", " out of the environment\n")
    assert find_secret(apart, None) == b"out of the environment"


def test_a_secret_from_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGEZOO_SECRET", "out of the environment")
    cluster, file, notes = Cluster(("a:1", "b:1"), 0), tmp_path / "secret", list[str]()
    file.write_bytes(SECRET + b"\n")
    file.chmod(0o600)
    assert find_secret(cluster, file, notes.append) == SECRET
    assert notes == []
    file.chmod(0o644)
    assert find_secret(cluster, file, notes.append) == SECRET
    (note,) = notes
    assert note.endswith("can be read by other users of this machine; chmod 600 keeps them out")


@pytest.mark.parametrize("content", [b"", b"too short", b" " * 100, b"x" * 5000])
def test_a_secret_that_is_none(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_bytes(content)
    with pytest.raises(OptionError, match="bytes, not 16 to 4096. This makes a secret: "):
        find_secret(Cluster(("localhost:1", "localhost:2"), 0), file)


def test_a_secret_file_that_cannot_be_read(tmp_path: Path) -> None:
    cluster = Cluster(("a:1", "b:1"), 0)
    for path, why in ((tmp_path / "none", "No such file"), (tmp_path, "Is a directory")):
        with pytest.raises(OptionError, match=f"secret file '.*' cannot be read: {why}"):
            find_secret(cluster, path)
