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


COMMANDS = """
import contextlib, io, sys
from evit_mobile.cli import main
for command, code, words in {commands!r}:
    sys.argv = ["evit-mobile", *command]
    with contextlib.redirect_stdout(io.StringIO()) as shown, contextlib.redirect_stderr(io.StringIO()) as said:
        try:
            main()
        except SystemExit as exit:
            assert (exit.code or 0) == code, said.getvalue()
    assert words in shown.getvalue()
"""


def loaded_by(*commands: list[str], code: int = 0, words: str = "") -> set[str]:
    """Top-level modules in a fresh interpreter after commands that end with `code` and say `words`, one after the other."""
    return loaded_after(COMMANDS.format(commands=[(command, code, words) for command in commands]))


@pytest.mark.parametrize(
    "statements", ["import evit_mobile.cli", "import evit_mobile, calib, converters"], ids=["cli", "api"]
)
def test_importing_loads_nothing_heavy(statements: str) -> None:
    loaded = loaded_after(statements)
    assert "evit_mobile" in loaded
    assert not loaded & HEAVY


def test_help_loads_nothing_heavy() -> None:
    commands = [[], ["convert"], ["validate"], ["profile"], ["report"]]
    loaded = loaded_by(*([*command, "--help"] for command in commands), words="Usage: evit-mobile")
    assert "typer" in loaded
    assert not loaded & HEAVY


def test_a_heavy_import_would_be_seen() -> None:
    assert "PIL" in loaded_after("import evit_mobile.cli, PIL") & HEAVY


def test_commands_that_read_json_start_without_torch(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text(to_json(of_model()))
    folder = str(tmp_path)
    loaded = loaded_by(["models"], ["models", "--json"], ["inspect", folder, "--json"], ["report", folder])
    assert "evit_mobile" in loaded
    assert not loaded & {"torch", "numpy"}
    assert "torch" not in loaded_by(["compare", "A", "B"], code=2)


def test_what_cannot_be_converted_is_refused_before_torch_is_loaded() -> None:
    refused = [["convert", "--format", "tflit"], ["convert", "--golden", "-1"]]
    assert "torch" not in loaded_by(*refused, code=2)


def test_the_ground_and_what_reads_need_no_torch() -> None:
    modules = ["demos.export", "demos.serve", "profiling.comparison", "findings", "record.earlier", "request.checks"]
    assert "torch" not in loaded_after("\n".join(f"import evit_mobile.{module}" for module in modules))


def test_naming_a_target_loads_no_toolchain() -> None:
    names = "\n".join(f"find_target({name!r})" for name in TARGETS)
    assert not loaded_after(f"from converters.registry import find_target\n{names}") & set(OWNERS)


@pytest.mark.parametrize("package", [calib, converters], ids=["calib", "converters"])
def test_generic_package_names_are_ours(package: ModuleType) -> None:
    """Other distributions may use these names: what is imported lies beside evit_mobile, and nobody else claims it."""
    name = package.__name__
    assert package.__file__ is not None
    assert Path(package.__file__).resolve() == ROOT / name / "__init__.py"
    assert set(packages_distributions().get(name, ["evit-mobile"])) == {"evit-mobile"}
