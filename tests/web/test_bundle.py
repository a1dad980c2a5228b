"""Modules are joined into one script that does what they do."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from zoo import page
from zoo.web import assemble
from zoo.web.bundle import joined

MODULES = {
    "./numbers.js": 'export const one = 1;\nexport function twice(n) {\n  return 2 * n;\n}\nconst hidden = "here";\n',
    "other": "var own = 3;\nexport {\n  own\n};\n//# sourceMappingURL=other.js.map",
    "./use.js": 'import { one, twice as double } from "./numbers.js";\nimport { own } from "other";\n'
    'async function later() {\n  const { one } = await import("./numbers.js");\n  return one;\n}\n'
    "later().then((last) => console.log(one, double(one), own, last, typeof hidden));\n",
}


def test_they_see_what_they_import_and_nothing_else() -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("the tests of the page in the browser show it")
    done = subprocess.run([node, "-e", joined(MODULES)], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["1", "2", "3", "1", "undefined"]


@pytest.mark.parametrize(
    ("modules", "message"),
    [
        ({"./b.js": 'import { a } from "./a.js";'}, "./b.js imports ./a.js, which does not stand before it"),
        ({"./b.js": 'const { a } = await import("./a.js");'}, "./b.js imports ./a.js"),
        ({"./b.js": 'import a from "./a.js";'}, "./b.js has a line that cannot be joined: import a"),
        ({"./b.js": "export default 3;"}, "./b.js has a line that cannot be joined: export default 3;"),
    ],
)
def test_what_cannot_be_joined_is_said(modules: dict[str, str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        joined(modules)


def test_the_pages_own_modules_can_be_joined() -> None:
    library = "export const Tensor = 0, loadAndCompile = 0, loadLiteRt = 0;\n"
    names = [*page.MODULES, *assemble.BEFORE, *assemble.ENGINE]
    texts = {name: page.read(name) if name in page.MODULES else assemble.read(name) for name in names}
    whole = joined({"@litertjs/core": library, **{f"./{name}": text for name, text in texts.items()}})
    assert whole.count("modules[") > len(names)
    for name, text in texts.items():
        assert "://" not in text.replace("http://www.w3.org/2000/svg", ""), f"{name} names an address"
        assert "innerHTML" not in text
