"""The interpreters, one to a worker, and the threads that decode for them."""

from __future__ import annotations

import functools
import io
import queue
import time
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, UnidentifiedImageError

from zoo.errors import InputError
from zoo.inputs import images, picture_memory
from zoo.inputs.formats import OtherFormatError, is_installed
from zoo.machine.cores import usable_cores
from zoo.runner import Classifier, Prediction
from zoo.runner.session import Array
from zoo.serve.threads import Threads

FORMATS = ("JPEG", "MPO", "PNG", "WEBP", "AVIF", "GIF", "BMP", "PPM")
"""What is decoded, of `zoo.inputs.formats.PLUGINS`: what browsers and cameras send. Each further decoder is one more to
attack, which is no business of data from the network."""


class UnsupportedPictureError(InputError):
    """Bytes that are no picture of `FORMATS`."""


class TooManyPixelsError(InputError):
    """A picture that would take too much memory."""


@dataclass(frozen=True)
class Named:
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
        self._budget = picture_memory.budget(max_pixels)
        self._decoders = Threads(usable_cores(), "decode")
        self._runners = Threads(self.workers, "interpreter")
        self._idle: queue.SimpleQueue[Classifier] = queue.SimpleQueue()
        for classifier in classifiers:
            self._idle.put(classifier)

    async def classify(self, picture: bytes, top_k: int, peer: str = "") -> Named:
        """Names a picture.

        Args:
            picture: a file's content.
            top_k: how many classes, at most all.
            peer: who sent it; peers take turns.

        Raises:
            UnsupportedPictureError: it is no picture of `FORMATS`.
            TooManyPixelsError: it is one, but too large.
            InputError: it is damaged.
        """
        start = time.perf_counter()
        pixels, decode = await self._decoders.run(peer, functools.partial(self.decode, picture))
        predictions, inference = await self._runners.run(peer, functools.partial(self._run, pixels, top_k))
        wait = time.perf_counter() - start - decode - inference
        self.pace += 0.1 * (max(inference, decode / usable_cores()) - self.pace)
        return Named(predictions, max(0.0, wait), decode, inference)

    def decode(self, picture: bytes) -> Array:
        """The pixels that the model is to see; see `classify`."""
        formats = available_formats()
        input_ = self.classifier.picture
        policy = self.classifier.preprocessing
        try:
            with images.opened(io.BytesIO(picture), formats) as image:
                width, height = image.size
                if width * height > self._max_pixels:
                    limit = f"{self._max_pixels / 1e6:g} megapixels are the limit here"
                    raise TooManyPixelsError(f"the picture has {width}x{height} pixels; {limit}")
                pixels, _ = images.to_pixels(
                    image, input_.width, input_.height, input_.channels, policy, budget=self._budget, owned=True
                )
                return input_.arrange(pixels)
        except InputError as error:
            raise self._named(error, formats) from error

    def _named(self, error: InputError, formats: Sequence[str]) -> InputError:
        """An error of reading a picture as what it means to a client."""
        cause = error.__cause__
        if isinstance(error, OtherFormatError) or isinstance(cause, UnidentifiedImageError):
            names = ", ".join(formats)
            return UnsupportedPictureError(f"this is no picture of a kind that is read here: {names}")
        if isinstance(cause, Image.DecompressionBombError | Image.DecompressionBombWarning):
            return TooManyPixelsError(f"the picture has more than {self._max_pixels / 1e6:g} megapixels")
        if isinstance(cause, MemoryError):
            return TooManyPixelsError("the picture does not fit into this machine's memory")
        return error

    def close(self) -> None:
        """Ends the threads; what they are at is finished."""
        self._decoders.close()
        self._runners.close()

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
    return tuple(name for name in FORMATS if is_installed(name))
