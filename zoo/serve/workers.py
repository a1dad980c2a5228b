"""The interpreters, one to a worker, and the threads that decode for them."""

from __future__ import annotations

import asyncio
import functools
import io
import queue
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from PIL import Image, UnidentifiedImageError

from zoo.errors import InputError
from zoo.machine.cores import usable_cores
from zoo.runner import Classifier, Prediction, load_image
from zoo.runner.session import Array

Value = TypeVar("Value")

FORMATS = ("JPEG", "MPO", "PNG", "WEBP", "AVIF", "GIF", "BMP", "PPM")
"""What is decoded, of Pillow's names: what browsers and cameras send. Pillow reads more, some of it with other
programs, which is no business of data from the network."""


class UnsupportedPictureError(InputError):
    """Bytes that are no picture of `FORMATS`."""


class TooManyPixelsError(InputError):
    """A picture that would take too much memory."""


@dataclass(frozen=True)
class Answer:
    """What is in a picture, and where the time went, in seconds."""

    predictions: list[Prediction]
    wait: float
    """For a free thread and a free interpreter."""
    decode: float
    inference: float


class Pool:
    """Classifies pictures. Decoding goes on while the interpreters run, as in `Classifier.classify_many`."""

    def __init__(self, classifiers: Sequence[Classifier], max_pixels: int) -> None:
        self.classifier = classifiers[0]
        self.workers = len(classifiers)
        self.pace = 0.0
        """Seconds a picture takes of one worker, averaged over the last ones."""
        self._max_pixels = max_pixels
        self._decoders = ThreadPoolExecutor(usable_cores(), thread_name_prefix="decode")
        self._runners = ThreadPoolExecutor(self.workers, thread_name_prefix="interpreter")
        self._idle: queue.SimpleQueue[Classifier] = queue.SimpleQueue()
        for classifier in classifiers:
            self._idle.put(classifier)

    async def classify(self, picture: bytes, top_k: int) -> Answer:
        """Names a picture.

        Args:
            picture: a file's content.
            top_k: how many classes, at most all.

        Raises:
            UnsupportedPictureError: it is no picture of `FORMATS`.
            TooManyPixelsError: it is one, but too large.
            InputError: it is damaged.
        """
        start = time.perf_counter()
        pixels, decode = await _timed(self._decoders, functools.partial(self.decode, picture))
        predictions, inference = await _timed(self._runners, functools.partial(self._run, pixels, top_k))
        wait = time.perf_counter() - start - decode - inference
        self.pace += 0.1 * (max(inference, decode / usable_cores()) - self.pace)
        return Answer(predictions, max(0.0, wait), decode, inference)

    def decode(self, picture: bytes) -> Array:
        """The pixels that the model is to see; see `classify`."""
        stream = io.BytesIO(picture)
        formats = available_formats()
        try:
            with Image.open(stream, formats=formats) as image:
                width, height = image.size
        except UnidentifiedImageError as error:
            names = ", ".join(formats)
            raise UnsupportedPictureError(f"this is no picture of a kind that is read here: {names}") from error
        except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
            raise TooManyPixelsError(f"the picture has more than {self._max_pixels / 1e6:g} megapixels") from error
        except (OSError, ValueError, EOFError, RuntimeError) as error:  # AVIF's decoder raises the last
            raise InputError(f"the picture is damaged: {error}") from error
        if width * height > self._max_pixels:
            limit = f"{self._max_pixels / 1e6:g} megapixels are the limit here"
            raise TooManyPixelsError(f"the picture has {width}x{height} pixels; {limit}")
        stream.seek(0)
        shape = self.classifier.session.input.shape
        policy = self.classifier.preprocessing
        try:
            return load_image(stream, shape[2], shape[1], shape[3], policy, formats=formats)
        except InputError as error:
            if isinstance(error.__cause__, MemoryError):
                raise TooManyPixelsError("the picture does not fit into this machine's memory") from error
            raise

    def close(self) -> None:
        """Ends the threads; what they are at is finished."""
        self._decoders.shutdown(cancel_futures=True)
        self._runners.shutdown(cancel_futures=True)

    def _run(self, pixels: Array, top_k: int) -> list[Prediction]:
        # There are as many threads as interpreters, so one is always idle here.
        classifier = self._idle.get()
        try:
            return classifier.classify(pixels, top_k)
        finally:
            self._idle.put(classifier)


@functools.cache
def available_formats() -> tuple[str, ...]:
    """Those of `FORMATS` that the installed Pillow can read."""
    Image.init()
    return tuple(name for name in FORMATS if name in Image.OPEN)


async def _timed(threads: ThreadPoolExecutor, work: Callable[[], Value]) -> tuple[Value, float]:
    """The result of work done in another thread, and the seconds it took there."""

    def clock() -> tuple[Value, float]:
        start = time.perf_counter()
        return work(), time.perf_counter() - start

    return await asyncio.get_running_loop().run_in_executor(threads, clock)
