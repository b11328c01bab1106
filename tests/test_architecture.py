"""The rules of the house: who may import whom, what the command line may load, and whose modules these are."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path
from types import ModuleType

import pytest

import calib
import converters
import evit_mobile
from converters.registry import TARGETS
from evit_mobile.strict_json import to_json
from tests.manifests import of_model

ROOT = Path(evit_mobile.__file__).resolve().parents[1]
ALLOWED = {"evit_mobile": {"evit_mobile", "converters", "calib"}, "converters": {"converters"}, "calib": {"calib"}}
"""Which of the three packages each may import."""

OWNERS = {
    "coremltools": "converters/coreml",
    "coreai": "converters/coreai",
    "coreai_torch": "converters/coreai",
    "ai_edge_litert": "converters/tflite",
    "executorch": "converters/executorch",
    "torchao": "converters/executorch",
}
"""The only folder that may import each toolchain."""

HEAVY = {"jinja2", "matplotlib", "numpy", "PIL", "safetensors", "timm", "torch", *OWNERS}
DOTTED = re.compile(r"(evit_mobile|converters|calib)(\.\w+)+(:\w+)?")


def imports(source: str) -> Iterator[tuple[int, str]]:
    """(line, top-level module) of every absolute import in `source`, in functions too, and of every string that spells
    a module of ours, as the tables of lazily imported modules do."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name.split(".")[0]) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.lineno, node.module.split(".")[0]
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and DOTTED.fullmatch(node.value):
            yield node.lineno, node.value.split(".")[0]


def violations(root: Path) -> list[str]:
    """Every import under `root` that breaks the direction rule or takes a toolchain outside its folder."""
    found = []
    for package, allowed in ALLOWED.items():
        for path in sorted((root / package).rglob("*.py")):
            relative = path.relative_to(root).as_posix()
            for line, module in imports(path.read_text("utf-8")):
                wrong_direction = module in ALLOWED and module not in allowed
                wrong_folder = module in OWNERS and not relative.startswith(OWNERS[module] + "/")
                if wrong_direction or wrong_folder:
                    found.append(f"{relative}:{line} imports {module}")
    return found


def entanglements(root: Path) -> list[str]:
    """Every import by which one runtime's sub-package of `converters`, or what they share, takes another runtime's."""
    runtimes = {spelled.split(".")[1] for spelled in TARGETS.values()}
    found = []
    for own in sorted(runtimes | {"lowering"}):
        for path in sorted((root / "converters" / own).rglob("*.py")):
            named = re.findall(r"^\s*(?:from|import) converters\.(\w+)", path.read_text("utf-8"), re.MULTILINE)
            where = path.relative_to(root).as_posix()
            found += [f"{where} imports converters.{other}" for other in named if other in runtimes - {own}]
    return found


def test_runtimes_know_nothing_of_each_other(tmp_path: Path) -> None:
    assert entanglements(ROOT) == []
    for own in ("lowering", "executorch"):
        (tmp_path / "converters" / own).mkdir(parents=True)
        (tmp_path / "converters" / own / "a.py").write_text(
            "def f():\n    from converters.tflite.graph import Tensor\n"
        )
    assert entanglements(tmp_path) == [
        f"converters/{own}/a.py imports converters.tflite" for own in ("executorch", "lowering")
    ]


def test_imports_follow_the_direction_rule() -> None:
    assert violations(ROOT) == []


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("calib/a.py", "import converters.files"),
        ("calib/a.py", "def f():\n    from evit_mobile.spec import MODELS"),
        ("converters/tflite/a.py", "import numpy, calib"),
        ("converters/a.py", "TABLE = {'x': 'evit_mobile.models:build_model'}"),
        ("converters/tflite/a.py", "import coremltools as ct"),
        ("evit_mobile/a.py", "def f():\n    from executorch.exir import to_edge"),
    ],
)
def test_a_planted_import_is_found(path: str, source: str, tmp_path: Path) -> None:
    (tmp_path / path).parent.mkdir(parents=True)
    (tmp_path / path).write_text(source)
    assert len(violations(tmp_path)) == 1


def test_allowed_imports_are_not_reported(tmp_path: Path) -> None:
    for path, source in {
        "evit_mobile/a.py": "import calib.splits\nfrom converters.registry import TARGETS",
        "converters/coreml/a.py": "def f():\n    import coremltools",
        "converters/b.py": "from . import files\nNAME = 'calibration'",
    }.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(source)
    assert violations(tmp_path) == []


def loaded_after(statements: str) -> set[str]:
    """Top-level modules in a fresh interpreter after `statements`."""
    code = f"import sys\n{statements}\nprint('LOADED', *sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return {name.split(".")[0] for name in result.stdout.rpartition("LOADED")[2].split()}


HELP = """
import contextlib, io
from evit_mobile.cli import main
sys.argv = ["evit-mobile", *{command}, "--help"]
with contextlib.redirect_stdout(io.StringIO()) as shown:
    try:
        main()
    except SystemExit as exit:
        assert not exit.code, exit.code
assert "Usage: evit-mobile" in shown.getvalue()
"""


@pytest.mark.parametrize(
    "statements", ["import evit_mobile.cli", "import evit_mobile, calib, converters"], ids=["cli", "api"]
)
def test_importing_loads_nothing_heavy(statements: str) -> None:
    loaded = loaded_after(statements)
    assert "evit_mobile" in loaded
    assert not loaded & HEAVY


@pytest.mark.parametrize("command", [[], ["convert"], ["validate"], ["profile"], ["report"]])
def test_help_loads_nothing_heavy(command: list[str]) -> None:
    loaded = loaded_after(HELP.format(command=command))
    assert "typer" in loaded
    assert not loaded & HEAVY


def test_a_heavy_import_would_be_seen() -> None:
    assert "torch" in loaded_after("import evit_mobile.cli, torch")


READERS = """
import contextlib, io
from evit_mobile.cli import main
sys.argv = {command!r}
with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()) as said:
    try:
        main()
    except SystemExit as exit:
        assert (exit.code or 0) == {code}, said.getvalue()
"""


@pytest.mark.parametrize(
    "arguments",
    [["models"], ["models", "--json"], ["inspect", "DIR", "--json"], ["report", "DIR"], ["compare", "A", "B"]],
    ids=" ".join,
)
def test_commands_that_read_json_start_without_torch(arguments: list[str], tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text(to_json(of_model()))
    command = ["evit-mobile", *(str(tmp_path) if each == "DIR" else each for each in arguments)]
    loaded = loaded_after(READERS.format(command=command, code=2 if arguments[0] == "compare" else 0))
    assert "evit_mobile" in loaded
    assert "torch" not in loaded
    assert "numpy" not in loaded or arguments[0] == "compare"


@pytest.mark.parametrize("options", [("--format", "tflit"), ("--golden", "-1")])
def test_what_cannot_be_converted_is_refused_before_torch_is_loaded(options: tuple[str, ...]) -> None:
    assert "torch" not in loaded_after(READERS.format(command=["evit-mobile", "convert", *options], code=2))


@pytest.mark.parametrize(
    "module", ["demos.export", "demos.serve", "profiling.comparison", "findings", "record.earlier", "request.checks"]
)
def test_the_ground_and_what_reads_need_no_torch(module: str) -> None:
    assert "torch" not in loaded_after(f"import evit_mobile.{module}")


@pytest.mark.parametrize("name", TARGETS)
def test_naming_a_target_loads_no_toolchain(name: str) -> None:
    loaded = loaded_after(f"from converters.registry import find_target\nfind_target({name!r})")
    assert not loaded & set(OWNERS)


@pytest.mark.parametrize("package", [calib, converters], ids=["calib", "converters"])
def test_generic_package_names_are_ours(package: ModuleType) -> None:
    """Other distributions may use these names: what is imported lies beside evit_mobile, and nobody else claims it."""
    name = package.__name__
    assert package.__file__ is not None
    assert Path(package.__file__).resolve() == ROOT / name / "__init__.py"
    assert set(packages_distributions().get(name, ["evit-mobile"])) == {"evit-mobile"}
