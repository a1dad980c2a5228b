"""The interpreters, one for each worker, and the threads that decode pictures for them."""

from __future__ import annotations

import functools
import io
import queue
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from PIL import Image, UnidentifiedImageError

from zoo.errors import InputError
from zoo.inputs.pictures import images, picture_memory
from zoo.inputs.pictures.formats import OtherFormatError, is_installed
from zoo.machine.cores import usable_cores
from zoo.runner import Predictor
from zoo.runner.predictor import Sample
from zoo.serve.asked import Asked
from zoo.serve.threads import Threads, in_turn

FORMATS = ("JPEG", "MPO", "PNG", "WEBP", "AVIF", "GIF", "BMP", "PPM")
"""The formats of `zoo.inputs.pictures.formats.PLUGINS` that are decoded: those that browsers and cameras send. Data
from the network reach no other decoder, because each one is one more that can be attacked."""


class UnsupportedPictureError(InputError):
    """The bytes are not a picture in one of `FORMATS`."""


class TooManyPixelsError(InputError):
    """The picture would take too much memory."""


@dataclass(frozen=True)
class Named:
    """The predictions for a picture, and the times of its stages, in seconds."""

    predictions: list[Any]
    size: tuple[int, int]
    """Width and height of the upright picture in pixels."""
    wait: float
    """Time until a thread and an interpreter were free."""
    decode: float
    inference: float


class Pool:
    """Makes predictions for pictures. Decoding goes on while the interpreters run, as in `Predictor.predict_many`."""

    def __init__(self, predictors: Sequence[Predictor[Any]], max_pixels: int) -> None:
        self.predictor = predictors[0]
        self.workers = len(predictors)
        self._cores = usable_cores()
        self.pace = 0.0
        """Seconds that a picture takes one worker, averaged over the last pictures."""
        self._max_pixels = max_pixels
        self._budget = picture_memory.budget(max_pixels)
        self._decoders = Threads(self._cores, "decode")
        self._runners = Threads(self.workers, "interpreter")
        self._idle: queue.SimpleQueue[Predictor[Any]] = queue.SimpleQueue()
        for predictor in predictors:
            self._idle.put(predictor)

    async def predict(self, picture: bytes, wanted: Asked, peer: str = "") -> Named:
        """Makes predictions for a picture.

        Args:
            picture: the content of a picture file.
            wanted: what to look for in it.
            peer: the sender; peers take turns.

        Raises:
            UnsupportedPictureError: the content is not a picture in one of `FORMATS`.
            TooManyPixelsError: the picture is too large.
            InputError: the picture is damaged.
        """
        start = time.perf_counter()
        decoding = self._decoders, lambda _: self.decode(picture)
        running = self._runners, functools.partial(self._run, wanted)
        (predictions, size), (decode, inference) = await in_turn(peer, decoding, running)
        wait = time.perf_counter() - start - decode - inference
        self.pace += 0.1 * (max(inference, decode / self._cores) - self.pace)
        return Named(predictions, size, max(0.0, wait), decode, inference)

    def decode(self, picture: bytes) -> Sample:
        """Returns the pixels that the model gets, and their place in the picture; errors as in `predict`."""
        formats = available_formats()
        input_ = self.predictor.picture
        policy = self.predictor.preprocessing
        try:
            with images.opened(io.BytesIO(picture), formats) as image:
                width, height = image.size
                if width * height > self._max_pixels:
                    limit = f"the limit here is {self._max_pixels / 1e6:g} megapixels"
                    raise TooManyPixelsError(f"the picture has {width}x{height} pixels; {limit}")
                pixels, fit = images.to_pixels(
                    image, input_.width, input_.height, input_.channels, policy, budget=self._budget, owned=True
                )
                return Sample(input_.arrange(pixels), fit)
        except InputError as error:
            raise self._named(error, formats) from error

    def _named(self, error: InputError, formats: Sequence[str]) -> InputError:
        """Returns an error of reading a picture as the error that the client gets."""
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
        """Ends the threads; pictures that have started are finished."""
        self._decoders.close()
        self._runners.close()

    def _run(self, wanted: Asked, sample: Sample) -> tuple[list[Any], tuple[int, int]]:
        # There are as many threads as interpreters, so one is always idle here.
        predictor = self._idle.get()
        try:
            return predictor.predict(sample, wanted.limit, wanted.task), sample.size
        finally:
            self._idle.put(predictor)


@functools.cache
def available_formats() -> tuple[str, ...]:
    """Returns those of `FORMATS` that the installed Pillow can read."""
    return tuple(name for name in FORMATS if is_installed(name))
