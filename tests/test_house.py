"""The size of things: a function is a page, a file a chapter, no two files need each other, and docs/architecture.md names every part."""

from __future__ import annotations

import ast
import re
import runpy
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

import evit_mobile
from tests.lazily import Lazily
from tests.test_floors import FLOORS, for_types

ROOT = Path(evit_mobile.__file__).resolve().parents[1]
PACKAGES = ("calib", "converters", "evit_mobile")
MOST_LINES, MOST_PARAMETERS, LONGEST_FILE = 45, 8, 350


def files(root: Path) -> Iterator[Path]:
    for package in PACKAGES:
        yield from sorted((root / package).rglob("*.py"))


def too_large(path: Path) -> list[str]:
    """Functions of a file with more lines or parameters than a page takes."""
    found = []
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or 0) - node.lineno + 1
            arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
            parameters = [one for one in arguments if one.arg not in ("self", "cls")]
            if lines > MOST_LINES or len(parameters) > MOST_PARAMETERS:
                found.append(f"{path.name}:{node.lineno} {node.name}: {lines} lines, {len(parameters)} parameters")
    return found


def test_a_function_is_a_page() -> None:
    assert [text for path in files(ROOT) for text in too_large(path)] == []


def test_a_planted_long_function_is_found(tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    path.write_text("def long():\n" + "    x = 1\n" * 45 + "def wide(a, b, c, d, e, f, g, h, *, i):\n    pass\n")
    assert [text.split()[1] for text in too_large(path)] == ["long:", "wide:"]


def behaves(path: Path) -> bool:
    """Whether a file has a function whose body is more than a docstring: constants, records and protocols have nothing to test."""
    functions = (
        node
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    )
    return any(
        not isinstance(line, ast.Expr) or not isinstance(line.value, ast.Constant)
        for node in functions
        for line in node.body
    )


def without_tests(root: Path) -> list[str]:
    """The modules that have no test file of their name, in the folder of theirs under tests/."""
    found = []
    for path in files(root):
        module = path.relative_to(root)
        tests = root / "tests" / module.parent / f"test_{module.name}"
        if module.name != "__init__.py" and behaves(path) and not tests.exists():
            found.append(module.as_posix())
    return found


def test_every_module_has_a_test_file_of_its_name(tmp_path: Path) -> None:
    assert without_tests(ROOT) == []
    for name, source in {
        "calib/a.py": "def a():\n    return 1\n",
        "calib/b.py": "B = 1\n",
        "calib/c.py": "class C:\n    def c(self):\n        ...\n",
        "calib/deep/d.py": "class D:\n    def d(self):\n        return 1\n",
        "tests/calib/test_d.py": "",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(source)
    assert without_tests(tmp_path) == ["calib/a.py", "calib/deep/d.py"]


def test_no_file_is_too_long() -> None:
    lines = {path.relative_to(ROOT).as_posix(): len(path.read_text("utf-8").splitlines()) for path in files(ROOT)}
    assert {path: count for path, count in lines.items() if count > LONGEST_FILE} == {}


def test_the_page_about_the_house_names_every_part() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    named = set(re.findall(r"`(\w+)`", page))
    assert set().union(*FLOORS) <= named


def test_the_picture_is_drawn_from_the_imports_of_today() -> None:
    script = ROOT / "scripts" / "architecture.py"
    drawn = runpy.run_path(str(script))["drawing"]()
    assert drawn == (ROOT / "docs" / "images" / "architecture.svg").read_text("utf-8"), f"run python {script.name}"


def missing_files(pages: Iterable[Path]) -> list[str]:
    """Our own files that pages name and that are not there. Those of the toys are made by whoever follows the page."""
    spelled = re.compile(
        r"\b(?:calib|converters|evit_mobile|scripts|tests|benchmarks|training)/[\w/.-]+\.(?:py|sh|c|js)\b"
    )
    named = {path for page in pages for path in spelled.findall(page.read_text("utf-8")) if "toy" not in path}
    return sorted(path for path in named if not (ROOT / path).exists())


def test_the_files_that_pages_name_are_there(tmp_path: Path) -> None:
    assert missing_files([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("*_demo/*.md")]) == []
    (tmp_path / "a.md").write_text("see `calib/gone.py` and converters/toy/target.py, `calib/splits.py`")
    assert missing_files([tmp_path / "a.md"]) == ["calib/gone.py"]


def needs(root: Path) -> dict[str, set[str]]:
    """The modules that each module imports, in functions too but not for types alone, or spells in a table of what is imported on use."""
    modules = {
        ".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__"): path for path in files(root)
    }

    def named(node: ast.AST) -> list[str]:
        match node:
            case ast.ImportFrom(module=str(module), names=names):
                inside = [f"{module}.{alias.name}" for alias in names]
                return [name if name in modules else module for name in inside]
            case ast.Import(names=names):
                return [alias.name for alias in names]
            case ast.Constant(value=str(text)) if "." in text:
                return [text.partition(":")[0]]
        return []

    found = {}
    for name, path in modules.items():
        tree = ast.parse(path.read_text("utf-8"))
        types = for_types(tree)
        nodes = (node for node in ast.walk(tree) if id(node) not in types)
        found[name] = {other for node in nodes for other in named(node) if other in modules} - {name}
    return found


def circles(needed: dict[str, set[str]]) -> list[str]:
    """The modules that cannot be put into an order in which each needs only earlier ones, without those that only look on."""
    left = dict(needed)
    while True:
        wanted = set().union(*left.values())
        ready = [name for name, others in left.items() if name not in wanted or not others & left.keys()]
        if not ready:
            return sorted(left)
        left = {name: others for name, others in left.items() if name not in ready}


def test_no_two_files_need_each_other() -> None:
    assert circles(needs(ROOT)) == []


def test_a_planted_circle_is_found(tmp_path: Path) -> None:
    sources = {
        "a": "def f():\n    from calib.b import c",
        "b": 'TABLE = {"x": "calib.c:open"}',
        "c": "import calib.a",
        "d": "import calib.a",
        "e": "if TYPE_CHECKING:\n    from calib.f import F",
        "f": "import calib.e",
    }
    (tmp_path / "calib").mkdir()
    for name, source in sources.items():
        (tmp_path / "calib" / f"{name}.py").write_text(source)
    assert circles(needs(tmp_path)) == ["calib.a", "calib.b", "calib.c"]


def families_named(path: Path) -> set[str]:
    """The families whose own file a file imports."""
    return set(re.findall(r"^\s*from evit_mobile\.families\.(msra|mit) import", path.read_text("utf-8"), re.MULTILINE))


def test_no_file_tells_the_families_apart(tmp_path: Path) -> None:
    """What differs is a row of FAMILIES: a file knows no family or, as its own part of the row, one."""
    table = ROOT / "evit_mobile" / "families" / "__init__.py"
    assert [path.name for path in files(ROOT) if path != table and len(families_named(path)) > 1] == []
    (tmp_path / "a.py").write_text(
        "from evit_mobile.families.mit import A\ndef f():\n    from evit_mobile.families.msra import B"
    )
    assert families_named(tmp_path / "a.py") == families_named(table) == {"msra", "mit"}


SLOW_TO_LOAD = {"coremltools", "executorch.exir", "matplotlib", "onnxruntime", "timm", "torch._dynamo", "torchao"}
"""Together they take longer than everything else that the tests need to be collected."""


def test_collecting_the_tests_loads_no_toolchain(loaded_by_collecting: frozenset[str]) -> None:
    """A test file takes them inside of its tests, or by `tests.lazily`."""
    assert "pytest" in loaded_by_collecting
    assert not loaded_by_collecting & SLOW_TO_LOAD


def test_what_is_taken_lazily_is_loaded_by_its_first_use(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "heavy_module.py").write_text("VALUE = 7")
    monkeypatch.syspath_prepend(tmp_path)
    heavy = Lazily("heavy_module")
    assert not hasattr(heavy, "__wrapped__")
    assert heavy._mock_name is None
    assert "heavy_module" not in sys.modules
    assert heavy.VALUE == 7
    assert "heavy_module" in sys.modules


def untested(root: Path, folder: str) -> list[str]:
    """Modules of a folder that have no test file of their name in the mirror of it."""
    names = {path.stem for path in (root / folder).glob("*.py")} - {"__init__"}
    tested = {path.stem.removeprefix("test_") for path in (root / "tests" / folder).glob("test_*.py")}
    return sorted(names - tested)


def test_a_rewrite_is_a_file_and_a_test_file(tmp_path: Path) -> None:
    assert untested(ROOT, "evit_mobile/rewrites") == []
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "new.py").touch()
    assert untested(tmp_path, "a") == ["new"]
