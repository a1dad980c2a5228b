"""The structure of the code: no circles among modules, and no package of so many modules that nobody finds one."""

from __future__ import annotations

from graphlib import TopologicalSorter
from pathlib import Path

import grimp
import pytest
import tomli

ROOT = Path(__file__).resolve().parent.parent
MOST = 18
"""The most modules of one package; about fifteen are easy to keep in mind."""


def test_no_modules_import_each_other_in_a_circle() -> None:
    graph = grimp.build_graph("zoo", exclude_type_checking_imports=True)
    imports = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    assert len(imports) > 300
    TopologicalSorter(imports).prepare()  # raises `CycleError`, which names a circle


PACKAGES = sorted({path.parent for top in ("zoo", "export", "cli") for path in (ROOT / top).rglob("__init__.py")})


@pytest.mark.parametrize("package", PACKAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_a_package_has_few_modules(package: Path) -> None:
    modules = [path.name for path in package.glob("*.py") if path.name != "__init__.py"]
    assert len(modules) <= MOST, f"split {package.relative_to(ROOT)}: it has {len(modules)} modules"


def test_the_wheel_holds_every_package() -> None:
    listed = tomli.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]["packages"]
    names = {".".join(path.relative_to(ROOT).parts) for path in PACKAGES}
    assert set(listed) == {name if name.startswith("zoo") else f"zoo.{name}" for name in names}
