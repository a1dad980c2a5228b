"""What is said of an Edge TPU before anything is compiled for it."""

from __future__ import annotations

import pytest

from zoo.tflite.edgetpu import EdgeTpuReport

MIB = 1024 * 1024


@pytest.mark.parametrize(
    ("size", "said"),
    [
        (7 * MIB, "7.0 MiB of weights fit the on-chip cache"),
        (7 * MIB + MIB // 2, "7.5 MiB of weights may not fit the on-chip cache, which is known to be about 8 MB only"),
        (9 * MIB, "9.0 MiB of weights do not fit the on-chip cache of about 8 MB"),
    ],
)
def test_what_is_known_about_alone_is_said_so(size: int, said: str) -> None:
    report = EdgeTpuReport((), size)
    assert report.lines()[1].startswith(said)
    assert report.fits_cache == ("weights fit" in said)
