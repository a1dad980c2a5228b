"""Writes the files that `zoo build` and `zoo export` are asked for."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.cli.exported import print_files
from zoo.cli.options.export import ExportRequest
from zoo.cli.output import print_json, raise_failures, status
from zoo.errors import ZooError
from zoo.export.options import ExportOptions
from zoo.system.locks import exclusive

if TYPE_CHECKING:
    from zoo.export import ExportReport


def export_files(model: Any, stem: str, request: ExportRequest, facts: dict[str, Any]) -> None:
    """Writes all requested files and prints a table of them.

    A file that cannot be written does not keep others from it, nor from being shown.

    Args:
        model: the Keras model.
        stem: the beginning of the files' names.
        request: the files to write.
        facts: more fields for the card.

    Raises:
        ZooError: a file could not be written; if there are several, the others' errors are printed.
    """
    if request.license:
        facts = facts | {"license": request.license}
    results: list[dict[str, Any]] = []
    reports: list[ExportReport] = []
    origin: dict[str, Any] = {name: facts[name] for name in ("weights_from", "weights_why") if name in facts}
    failures: list[ZooError] = []
    with exclusive(request.out / stem):
        for name in request.formats:
            of_format: list[ExportOptions | None] = [one for one in request.options if one.format == name]
            for options in of_format or [None]:
                try:
                    if options is None:
                        results.append(_write_other(model, name, request.out / stem, request) | origin)
                        continue
                    ending = "_jetson" if name == "onnx" and request.program else ""
                    path = request.out / f"{stem}{options.mode.suffix}{ending}.{name}"
                    report = _write_checked(model, path, options, request, facts)
                except ZooError as error:
                    failures.append(error)
                    continue
                results.append({"format": name, **report.as_dict(), **origin})
                reports.append(report)
    if request.as_json and results:
        print_json(results)
    elif results:
        print_files(results, reports, 4 * model.count_params())
    raise_failures(failures)


def _write_other(model: Any, name: str, stem: Path, request: ExportRequest) -> dict[str, Any]:
    from zoo.export import to_keras, to_savedmodel

    started = time.perf_counter()
    more: dict[str, Any] = {}
    with status(f"writing {name}"):
        if name == "keras":
            path = to_keras(model, stem.with_name(f"{stem.name}.keras"))
        elif name == "savedmodel":
            path = to_savedmodel(model, stem.with_name(f"{stem.name}_savedmodel"))
        else:
            from zoo.export.tfjs.exporter import to_tfjs

            written = to_tfjs(model, stem.with_name(f"{stem.name}_tfjs"), request.plain, labels=request.labels)
            path, more = written.path, {"notes": list(written.notes)}
    seconds = time.perf_counter() - started
    return {"format": name, "path": str(path), "bytes": _size(path), "seconds": round(seconds, 3), **more}


def _write_checked(
    model: Any, path: Path, options: ExportOptions, request: ExportRequest, facts: dict[str, Any]
) -> ExportReport:
    from zoo.export.formats import writer

    calibration, labels, write = request.calibration, request.labels, writer(options.format, request.program)
    with status(f"exporting {options.quantize}") as progress:
        return write(model, path, options, calibration=calibration, labels=labels, facts=facts, progress=progress)


def _size(path: Path) -> int:
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())
