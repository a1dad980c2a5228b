"""Shows a model's graph in the browser with Netron, which serves one file."""

from __future__ import annotations

import contextlib
import logging
import webbrowser
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from zoo import models
from zoo.errors import InputError, MissingDependencyError, ModelFileError, first_line
from zoo.graph import unallocated
from zoo.system.surroundings import without_secrets

HOST = "127.0.0.1"
"""Address that only this machine can reach, because Netron has no access control."""


@contextlib.contextmanager
def view(target: str | Path, *, port: int = 0, browse: bool = True, **options: Any) -> Iterator[str]:
    """Serves a model's graph during the block.

        with view("mobilenet_v2.tflite") as url:
            input(f"{url}, Enter to stop")

    Args:
        target: a file that Netron knows (`.tflite`, `.onnx`, `.keras`...), or the name of a registered model, whose
            architecture is shown without weights.
        port: the port of the server; 0 takes a free one.
        browse: whether to open the address in a browser.
        **options: the options of a registered model.

    Yields:
        The address.

    Raises:
        MissingDependencyError: Netron is not installed; for a registered model, TensorFlow is not.
        ModelFileError: the file cannot be read.
        UnknownModelError: there is neither such a file nor such a model.
        OptionError: an option that the model does not take.
        InputError: the port is taken or out of range.
    """
    if not (path := Path(target)).is_file():
        _require_model(path)
    netron = find_netron()
    name, content = _content(target, options)
    # If logging is not set up, Netron sets it up for the whole process.
    root, silent = logging.getLogger(), logging.NullHandler()
    root.addHandler(silent)
    try:
        # Netron gets the content and a folder that does not exist: with a path, it would serve all files of its folder.
        address = netron.serve(f"/nowhere/{name}", bytearray(content), address=(HOST, port))
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"cannot serve on port {port}: {reason}; give another port, or 0 for a free one") from error
    finally:
        root.removeHandler(silent)
    url = f"http://{address[0]}:{address[1]}"
    try:
        if browse:
            with without_secrets():
                webbrowser.open(url)
        yield url
    finally:
        netron.stop(address)


def find_netron() -> Any:
    """Imports the module `netron`.

    Raises:
        MissingDependencyError: Netron is not installed; the message contains the pip command.
    """
    try:
        import netron
    except ImportError as error:
        raise MissingDependencyError(f"this needs Netron ({first_line(error)}): pip install 'edgezoo[view]'") from error
    return netron


def _content(target: str | Path, options: dict[str, Any]) -> tuple[str, bytes]:
    """Returns name and bytes of the file that Netron shows."""
    path = Path(target)
    if path.is_file():
        if options:
            raise InputError(f"{path} is a file, which has no options; leave {', '.join(options)} out")
        try:
            return path.name, path.read_bytes()
        except OSError as error:
            raise ModelFileError(f"cannot read {path}: {error.strerror or error}") from error
    spec = models.spec(str(target))
    options = spec.check(options)
    with unallocated():
        return f"{spec.instance_name(options)}.json", models.build(spec.name, **options).to_json().encode()


def _require_model(path: Path) -> None:
    """Refuses what can be no model's name, and names that no model has; errors are those of `view`."""
    if path.is_dir() or path.suffix or len(path.parts) > 1:
        raise ModelFileError(f"{path} is not a file; give a model file or one of {', '.join(models.list_models())}")
    models.spec(str(path))
