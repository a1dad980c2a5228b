"""A page that runs a `.tflite` file in the browser, without a server and without TensorFlow.

from pathlib import Path
from zoo.runner import Predictor
from zoo.web import write
write(Predictor("mine.tflite"), Path("page.html"))
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.errors import ModelFileError, OutputError
from zoo.files.writing import HOLDS_OTHERS, atomic
from zoo.onnx.kinds import is_onnx
from zoo.progress import SILENT, Progress

if TYPE_CHECKING:
    from zoo.runner import Predictor

__all__ = ["is_one_file", "require_tflite", "write"]


def is_one_file(out: Path) -> bool:
    """Whether a place names one HTML file, by its suffix; else it is the folder of a site."""
    return out.suffix.lower() in {".html", ".htm"}


def require_tflite(path: Path) -> None:
    """Refuses a file that LiteRT.js does not run by its name, before it is opened.

    Raises:
        ModelFileError: it is an `.onnx` file.
    """
    if is_onnx(path):
        raise ModelFileError(
            f"{path} is an .onnx file, and the page runs .tflite files; make one of the model by zoo export"
        )


def write(
    predictor: Predictor[Any], out: Path, *, runtime: Path | None = None, progress: Progress = SILENT
) -> list[str]:
    """Writes the page of a model.

    Args:
        predictor: the file, opened by the runner, which has checked it. A `Classifier` is a predictor, too.
        out: the page, `NAME.html`, which holds all it needs; or the folder of a site, which can be installed on a phone
            and works without a network after the first visit.
        runtime: the packed npm package of LiteRT.js, or a folder with it; by default it is fetched once.
        progress: is told how many bytes have come.

    Returns:
        What a user should know of the file in browsers, one line each.

    Raises:
        InputError: the model does not take pictures, or what is given is not the runtime.
        ModelFileError: browsers do not run the file, or it changed after it was checked.
        MissingDependencyError: the runtime cannot be fetched.
        OutputError: the page cannot be written, or what stands there was not written here.
    """
    # The parts are imported here, so that a command's help waits for neither numpy nor Pillow.
    from zoo.tflite import card
    from zoo.web import assemble, facts
    from zoo.web.runtime import find

    path = predictor.session.path
    require_tflite(path)
    about = facts.describe(predictor)
    if card.checksum(path) == "wrong":
        raise ModelFileError(f"{path} was changed, or damaged, after it was written; export it again, or copy it anew")
    _require_own(out, assemble.MARK)
    files = find(runtime, progress=progress)
    try:
        model = path.read_bytes()
    except OSError as error:
        raise ModelFileError(f"cannot read {path}: {error.strerror or error}") from error
    progress.step("packing")
    if is_one_file(out):
        with atomic(out) as scratch:
            scratch.write_text(assemble.one_file(about, model, files), encoding="utf-8")
    else:
        # One by one, since a folder that is published may hold more, such as CNAME and README.
        for name, content in assemble.site(about, model, files).items():
            with atomic(out / name) as scratch:
                scratch.write_bytes(content)
    return facts.cautions(predictor)


def _require_own(out: Path, mark: str) -> None:
    """Refuses a page that was not written here, and a folder that holds other things without such a page.

    Raises:
        OutputError: there is one, or the place is of the other kind.
    """
    if is_one_file(out):
        if out.is_dir():
            raise OutputError(f"{out} is a folder; choose another name")
        if not _is_own(out, mark):
            raise OutputError(f"{out} is not a page of zoo web; choose another name or delete it")
        return
    if out.exists() and not out.is_dir():
        raise OutputError(f"{out} is a file; give a folder, or a name that ends in .html")
    index = out / "index.html"
    if not _is_own(index, mark):
        raise OutputError(f"{index} is a page of another kind; remove it, or give another folder: --out")
    try:
        holds_others = out.exists() and not index.exists() and any(out.iterdir())
    except OSError as error:
        raise OutputError(f"cannot read {out}: {error.strerror or error}") from error
    if holds_others:
        raise OutputError(HOLDS_OTHERS.format(out))


def _is_own(page: Path, mark: str) -> bool:
    """Whether a page was written here, or is not there.

    Raises:
        OutputError: it cannot be read.
    """
    try:
        with page.open(encoding="utf-8", errors="replace") as file:
            return mark in file.read(4000)
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError as error:
        raise OutputError(f"cannot read {page}: {error.strerror or error}") from error
