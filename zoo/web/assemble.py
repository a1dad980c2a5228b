"""Puts the page together: as one HTML file, or as the files of a site."""

from __future__ import annotations

import base64
import gzip
import hashlib
import html
import json
import re
from importlib import resources
from typing import Any

from zoo import page
from zoo.text import shown, to_json
from zoo.web.bundle import joined
from zoo.web.runtime import NAME, PACKAGE, Runtime

BEFORE = ("wasm.js",)
"""The module that the runtime's library imports, under the name that it has there."""
ENGINE = ("parts.js", "pixels.js", "decoding.js", "answers.js", "objects.js", "litert.js")
"""The engine's modules; each one imports from those before it, the view and the library only."""
LICENCE = "apache-2.0.txt"
MARK = '<meta name="generator" content="edgezoo">'
"""Shows that a page was written here, so that it may be written anew."""
ONE_FILE_POLICY = (
    "default-src 'none'; script-src '{script}' blob: 'wasm-unsafe-eval'; style-src '{style}'; img-src blob: data:; "
    "media-src blob:; connect-src 'none'; base-uri 'none'; form-action 'none'"
)
SITE_POLICY = (
    "default-src 'none'; script-src 'self' blob: 'wasm-unsafe-eval'; style-src 'self'; img-src 'self' blob:; media-src "
    "'self' blob:; connect-src 'self'; worker-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'"
)
"""What the page may load: nothing from elsewhere, and in one file nothing at all."""


def script(runtime: Runtime) -> str:
    """Returns the whole code of the page, the runtime's library included."""
    own = {f"./{name}": read(name) for name in BEFORE}
    names = {"@litertjs/wasm-utils": own["./wasm.js"], PACKAGE.name: runtime.library}
    view = {f"./{name}": page.read(name) for name in page.MODULES}
    engine = {f"./{name}": read(name) for name in ENGINE}
    engine["./litert.js"] = engine["./litert.js"].replace('"./wasm.js"', '"@litertjs/wasm-utils"')
    return f"// {NAME}: Copyright Google LLC, licence Apache-2.0.\n" + joined({**names, **view, **engine})


def one_file(about: dict[str, Any], model: bytes, runtime: Runtime) -> str:
    """Returns the page as one HTML file that asks no network.

    Args:
        about: what the page shows of the model and needs to run it; see `zoo.web.facts.describe`.
        model: the `.tflite` file.
        runtime: the runtime.
    """
    code, style = _inline(script(runtime)), page.read(page.STYLE)
    icon = base64.b64encode(page.read(page.ICON).encode()).decode()
    parts = [
        _about(about, "file"),
        *(_part(name, content) for name, content in _binaries(model, runtime).items()),
        f'<script type="text/plain" id="licence">\n{_inline(read(LICENCE))}</script>',
        f"<script>{code}</script>",
    ]
    text = _head(about, ONE_FILE_POLICY.format(script=_hash(code), style=_hash(style)))
    text = text.replace('<link rel="stylesheet" href="page.css">', f"<style>{style}</style>")
    text = text.replace("icon.svg", f"data:image/svg+xml;base64,{icon}")
    text = text.replace('<script src="http.js" type="module"></script>\n', "")
    return text.replace("</body>", "\n".join([*parts, "</body>"]))


def site(about: dict[str, Any], model: bytes, runtime: Runtime) -> dict[str, bytes]:
    """Returns the files of a site by their names; the page and the service worker come last."""
    text = _head(about, SITE_POLICY)
    text = text.replace(
        '<script src="http.js" type="module"></script>',
        '<link rel="manifest" href="manifest.webmanifest">\n<script src="app.js" defer></script>',
    )
    text = text.replace("</body>", f"{_about(about, 'site')}\n</body>")
    names = {"model": "model.tflite", "glue": "runtime.js", "wasm": "runtime.wasm"}
    files = {names[name]: content for name, content in _binaries(model, runtime).items()}
    files |= {
        "app.js": script(runtime).encode(),
        page.STYLE: page.read(page.STYLE).encode(),
        page.ICON: page.read(page.ICON).encode(),
        "licence-of-the-runtime.txt": read(LICENCE).encode(),
        "manifest.webmanifest": json.dumps(_manifest(about), indent=1).encode(),
        "index.html": text.encode(),
    }
    kept = ["./", *files]
    content = hashlib.sha256(b"".join(name.encode() + b"\0" + files[name] for name in sorted(files))).hexdigest()
    worker = f"const VERSION = {json.dumps(content[:16])};\nconst FILES = {json.dumps(kept)};\n{read('sw.js')}"
    return {**files, "sw.js": worker.encode()}


def _binaries(model: bytes, runtime: Runtime) -> dict[str, bytes]:
    return {"model": model, "glue": runtime.glue, "wasm": runtime.wasm}


def _head(about: dict[str, Any], policy: str) -> str:
    """Returns the page's HTML with a title, its policy, and what it says without JavaScript."""
    text = page.read(page.HTML)
    policy_tag = f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
    text = text.replace('<meta charset="utf-8">', f'<meta charset="utf-8">\n{policy_tag}\n{MARK}')
    text = text.replace("<title>edgezoo</title>", f"<title>{html.escape(shown(about['file']))}</title>")
    return re.sub(
        "<noscript>.*</noscript>", '<noscript><p class="message">This page needs JavaScript.</p></noscript>', text
    )


def _about(about: dict[str, Any], form: str) -> str:
    text = to_json(about).replace("<", "\\u003c")
    return f'<script type="application/json" id="about" data-form="{form}">{text}</script>'


def _part(name: str, content: bytes) -> str:
    # The same bytes each time: no time of writing in the header.
    packed = base64.b64encode(gzip.compress(content, 9, mtime=0)).decode()
    return f'<script type="text/plain" id="part-{name}">{packed}</script>'


def _inline(text: str) -> str:
    """Returns a script or text in a form that does not end its element early."""
    return text.replace("</script", "<\\/script").replace("<!--", "<\\!--")


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _manifest(about: dict[str, Any]) -> dict[str, Any]:
    name = str(about["file"]).removesuffix(".tflite")
    return {
        "name": name,
        "short_name": name[:12],
        "start_url": "./",
        "display": "standalone",
        "background_color": "#f4f6f7",
        "theme_color": "#0f766e",
        "icons": [{"src": page.ICON, "sizes": "any", "type": "image/svg+xml"}],
    }


def read(name: str) -> str:
    """Returns one of the engine's files as text."""
    return (resources.files("zoo.web") / "static" / name).read_text(encoding="utf-8")
