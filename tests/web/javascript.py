"""Runs the page's modules outside of the page: in Node.js where it is there, else in the browser."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from importlib import resources
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser


def module(name: str) -> str:
    """Returns a module of the page that imports none, as a plain script."""
    text = (resources.files("zoo.web") / "static" / name).read_text(encoding="utf-8")
    assert "import {" not in text
    return re.sub("^export ", "", text, flags=re.MULTILINE)


def evaluate(script: str, data: Any, request: pytest.FixtureRequest) -> Any:
    """Calls the function `main` of a script with a value, and returns its result; both are JSON."""
    node = shutil.which("node")
    if node is None:
        browser: Browser = request.getfixturevalue("browser")
        page = browser.new_page()
        try:
            return page.evaluate(f"(data) => {{ {script}\nreturn main(data); }}", data)
        finally:
            page.close()
    call = 'console.log(JSON.stringify(main(JSON.parse(require("fs").readFileSync(0, "utf8")))));'
    whole = f"{script}\n{call}"
    done = subprocess.run([node, "-e", whole], input=json.dumps(data), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
