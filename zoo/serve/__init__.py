"""A page and an HTTP API for a `.tflite` file, on the board that runs it.

    from zoo.runner import Predictor
    from zoo.serve import Settings, serve
    serve([Predictor("mine.tflite")], Settings(port=8000), ready=print)

Needs the extra `serve`.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.errors import MissingDependencyError
from zoo.serve.settings import Settings

if TYPE_CHECKING:
    from zoo.runner import Predictor

__all__ = ["Settings", "collect", "require_installed", "serve"]


def serve(
    predictors: Sequence[Predictor[Any]],
    settings: Settings | None = None,
    *,
    ready: Callable[[str], object] | None = None,
) -> None:
    """Serves until SIGTERM or SIGINT comes; requests that are under way then are answered first.

    Args:
        predictors: one and the same file, opened once for each picture that may run at the same time. A `Classifier` is
            a predictor, too.
        settings: the options of the server; by default `Settings()`, which serves only this machine.
        ready: is called with the page's address when it can be opened.

    Raises:
        MissingDependencyError: Starlette, Uvicorn or prometheus-client is not installed.
        OptionError: settings that do not go together, or an address that cannot be used.
        InputError: the file does not take pictures.
    """
    require_installed()
    from zoo.serve.server import run

    run(predictors, settings or Settings(), ready)


def collect(
    folder: str | Path,
    settings: Settings | None = None,
    *,
    most: int | None = None,
    ready: Callable[[str], object] | None = None,
) -> None:
    """Serves a page that records pictures into class folders, until SIGTERM or SIGINT comes; no model is needed.

    Args:
        folder: the folder that gets a folder for each class; it is made if it is not there.
        settings: the options of the server; by default `Settings()`, which serves only this machine.
        most: the most pictures that the folder may hold; by default 10,000.
        ready: is called with the page's address when it can be opened.

    Raises:
        MissingDependencyError: Starlette, Uvicorn or prometheus-client is not installed.
        OptionError: settings that do not go together, or an address that cannot be used.
        OutputError: the folder cannot be written to.
    """
    require_installed()
    from zoo.serve import server
    from zoo.serve.collect.folder import MOST_PICTURES, Collection

    server.collect(Collection(Path(folder), MOST_PICTURES if most is None else most), settings or Settings(), ready)


def require_installed() -> None:
    """Finds out whether the extra is installed, without importing it.

    Raises:
        MissingDependencyError: it is not.
    """
    for name in ("starlette", "uvicorn", "prometheus-client"):
        if importlib.util.find_spec(name.replace("-", "_")) is None:
            from zoo.machine.extras import how_to_install  # only where there is an error to tell

            raise MissingDependencyError(f"serving needs {name}, which is not installed: {how_to_install('serve')}")
