"""Describes the API in OpenAPI 3.1 (https://spec.openapis.org/oas/v3.1.0)."""

from __future__ import annotations

from typing import Any

from zoo import __version__
from zoo.serve.asked import parameters
from zoo.serve.model import endpoint
from zoo.serve.settings import Settings
from zoo.tasks import Task
from zoo.text import count_of

Json = dict[str, Any]

TRIED = "Too many tokens were wrong; Retry-After says when to try again."

_NUMBER: Json = {"type": "number"}
_INTEGER: Json = {"type": "integer"}
_STRING: Json = {"type": "string"}


def places(task: Task[Any]) -> tuple[str, ...]:
    """Returns the paths of the API of a server with a model for this task."""
    return (endpoint(task), "/v1/model", "/healthz", "/metrics", "/openapi.json")


def document(settings: Settings, task: Task[Any]) -> Json:
    """Returns the document of a server with a model for this task; it asks for a token if the server does."""
    guarded: Json = {"security": [{"token": []}]} if settings.token else {}
    refusals = {"401": "The token is missing or wrong.", "429": TRIED} if settings.token else {}
    found: Json = {
        "openapi": "3.1.0",
        "info": {"title": "edgezoo", "version": __version__, "summary": "Runs a .tflite file on pictures."},
        "paths": {
            endpoint(task): {"post": {**_predict(settings, task, refusals), **guarded}},
            "/v1/model": {"get": {**_get("Describes the file that is served.", _ref("Model"), refusals), **guarded}},
            "/healthz": {"get": _get("Tells whether the server is up.", _ref("Health"), {})},
            "/metrics": {"get": {**_metrics(refusals), **guarded}},
        },
        "components": {"schemas": _schemas(task)},
    }
    if settings.token:
        found["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
    return found


def _predict(settings: Settings, task: Task[Any], refusals: dict[str, str]) -> Json:
    picture = {"schema": {"type": "string", "format": "binary", "maxLength": settings.max_bytes}}
    errors = {
        "400": "The picture is damaged or missing, or a parameter is not known or not allowed.",
        **refusals,
        "408": f"The picture did not arrive within {settings.timeout:g} s.",
        "413": f"The picture has more than {settings.max_bytes:,} bytes or {settings.max_pixels:,} pixels.",
        "415": "The body is not a picture in a format that this server reads.",
        "429": f"{count_of(settings.queue, 'picture is', 'pictures are')} under "
        f"way{' or too many tokens were wrong' if settings.token else ''}; "
        "Retry-After says when to try again.",
        "503": f"There was no answer within {settings.timeout:g} s; Retry-After says when to try again.",
    }
    return {
        "summary": task.action,
        "parameters": [
            {"name": name, "in": "query", "description": meaning, "schema": schema}
            for name, (meaning, schema) in parameters(task).items()
        ],
        "requestBody": {"required": True, "content": {"image/*": picture, "application/octet-stream": picture}},
        "responses": {"200": _answer("The predictions for the picture.", _ref("Answer")), **_errors(errors)},
    }


def _metrics(refusals: dict[str, str]) -> Json:
    text = {"description": "Counts and times.", "content": {"text/plain": {"schema": _STRING}}}
    return {"summary": "Returns counts and times for Prometheus.", "responses": {"200": text, **_errors(refusals)}}


def _get(summary: str, schema: Json, refusals: dict[str, str]) -> Json:
    return {"summary": summary, "responses": {"200": _answer(summary, schema), **_errors(refusals)}}


def _answer(text: str, schema: Json) -> Json:
    return {"description": text, "content": {"application/json": {"schema": schema}}}


def _errors(texts: dict[str, str]) -> Json:
    return {status: _answer(text, _ref("Error")) for status, text in texts.items()}


def _ref(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}


def _object(**properties: Json) -> Json:
    return {"type": "object", "required": list(properties), "properties": properties}


def _list(items: Json) -> Json:
    return {"type": "array", "items": items}


def _schemas(task: Task[Any]) -> Json:
    milliseconds = _object(receive=_NUMBER, wait=_NUMBER, decode=_NUMBER, inference=_NUMBER)
    return {
        "Error": _object(error={**_STRING, "description": "The error in one line."}),
        "Health": _object(status=_STRING, version=_STRING),
        "Prediction": _object(**task.schema),
        "Answer": _object(
            predictions={**_list(_ref("Prediction")), "description": "The best one comes first."},
            picture={**_list(_INTEGER), "description": "Width and height of the upright picture in pixels."},
            milliseconds={**milliseconds, "description": "The times of the server's stages."},
        ),
        "Operation": _object(op=_STRING, count=_INTEGER, macs=_INTEGER, bytes=_INTEGER),
        "Model": _object(
            file=_STRING,
            bytes=_INTEGER,
            task=_STRING,
            endpoint={**_STRING, "description": "The path to which pictures are sent."},
            runtime=_STRING,
            workers=_INTEGER,
            input=_object(
                shape={**_list(_INTEGER), "description": "Height, width, channels."}, dtype=_STRING, resize=_STRING
            ),
            macs={
                "type": ["integer", "null"],
                "description": "Multiply-accumulates of one run; null if they are not known, as for .onnx files.",
            },
            labels=_list(_STRING),
            scores={**_STRING, "enum": ["probabilities", "numbers"]},
            min_score={
                "type": ["number", "null"],
                "description": "The least score of an answer; below it, the first prediction is not sure, index -1.",
            },
            threshold={
                "type": ["number", "null"],
                "description": "The least score of an object unless a request says another; null if there are none.",
            },
            notes={**_list(_STRING), "description": "What to know before the answers."},
            card={"type": "object", "description": "The fields of the file's card that are about the model."},
            ops=_list(_ref("Operation")),
            limits=_object(bytes=_INTEGER, pixels=_INTEGER, pictures=_INTEGER, formats=_list(_STRING)),
        ),
    }
