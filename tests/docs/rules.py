"""The commands of the pages that do not run here as they are written, why, and what is done instead.

All others are run. The first rule whose pattern a command begins with is the one that counts.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.docs import stand_ins as instead

if TYPE_CHECKING:
    from tests.docs.desk import Desk


@dataclass(frozen=True)
class Rule:
    """One kind of command."""

    pattern: str
    why: str
    stand_in: Callable[[str, Desk], str] | None
    """Is given the command, or the program, and returns what it printed; None: it can only be read."""


COMMANDS = (
    Rule(r"(sudo|ssh|scp|docker save) ", "belongs to another machine or its settings", None),
    Rule(r"docker buildx build ", "needs a Docker engine; `make jetson` builds the image", instead.image_build),
    Rule(r"docker run .* --camera ", "needs a Docker engine and a camera", None),
    Rule(r"docker run .* serve ", "needs a Docker engine; `make jetson` runs the server in the image", None),
    Rule(r"docker run ", "needs a Docker engine; `make jetson` runs the image", instead.in_image),
    Rule(r"make ", "takes minutes; CI runs it", instead.make),
    Rule(r"pip-audit|git |uv ", "needs a network or a release", None),
    Rule(r"(\S+/)?pip install ", "takes minutes; `make` does it", instead.extras),
    Rule(r"python3 -m venv ", "what comes next would fill it for minutes", instead.board_environment),
    Rule(r"(\S+/)?python (-m )?benchmarks[/.]", "takes minutes", instead.options_parse),
    Rule(r"(\S+/)?zoo \w+ .*--delegate edgetpu", "needs an Edge TPU", None),
    Rule(r"zoo \w+ .*--runtime \S*tflite-runtime", "needs numpy 1", instead.on_the_older_runtime),
    Rule(r"zoo run .*--camera ", "needs a camera", instead.as_video),
    Rule(r"zoo train .*--workers ", "needs several machines", instead.workers),
    Rule(r"zoo choose (?!.*(--alpha|--from) )", "builds 44 files, for minutes", instead.small_choice),
    Rule(r"zoo serve ", "ends with Ctrl-C; the port may be taken", instead.one_picture),
    Rule(r"zoo view ", "ends with Ctrl-C; opens a browser", instead.shown),
    Rule(r"curl .*http://(127\.0\.0\.1|board):8000", "asks a server that is not there", instead.asked),
)

PROGRAMS = (Rule(r".*\nserve\(", "ends with Ctrl-C; the port may be taken", instead.program_that_serves),)
"""The rules for Python blocks."""


OWN_TESTS = {
    "docs/adding-a-model.md": "tests/docs/test_adding_a_model.py: its files are typed from it",
    "docs/boards.md": "tests/docs/test_boards.py: most of it is typed on a board",
    "docs/first-classifier.md": "tests/docs/test_first_classifier.py: makes its own digits",
}
"""Pages that need more than that, such as files that are typed from them: page -> `TEST_FILE: why`."""


def rule_for(text: str, rules: tuple[Rule, ...]) -> Rule | None:
    """The rule that a command or a program falls under."""
    return next((rule for rule in rules if re.match(rule.pattern, text, re.DOTALL)), None)
