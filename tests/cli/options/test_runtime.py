from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.conftest import Cli


@pytest.mark.parametrize("command", ["run", "evaluate", "serve", "demo", "choose"])
def test_all_runtimes_are_offered(cli: Cli, command: str) -> None:
    assert "[auto|litert|tflite-runtime|tensorflow|openvino|onnxruntime]" in " ".join(
        cli(command, "--help").out.split()
    )


@pytest.mark.parametrize("text", ["1", "a,b", "1,2,3", ""])
def test_a_range_is_two_numbers(cli: Cli, text: str) -> None:
    done = cli("run", "m.tflite", "photo.jpg", "--input-range", text)
    assert done.code == 2
    assert "is not two numbers such as -1,1" in done.error
