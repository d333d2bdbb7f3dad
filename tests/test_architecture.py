"""What may import what, and how large a file may be: read from the source, and from what an import loads."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import meanfield
import particles

ROOT = Path(particles.__file__).parent.parent
PACKAGES = ("particles", "meanfield", "studies")
FILES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
BELOW = {"particles": {"meanfield", "studies"}, "meanfield": {"studies"}, "studies": set()}


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def imports(path: Path, top_level_only: bool = False) -> set[str]:
    """Top-level packages that a file imports."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found = set()
    for node in tree.body if top_level_only else ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(path.relative_to(ROOT).parts[0] if node.level else (node.module or "").split(".")[0])
    return found


def importers(package: str) -> set[str]:
    return {name(path) for path in FILES if package in imports(path)}


def test_there_is_something_to_look_at() -> None:
    assert Path(meanfield.__file__).parent.parent == ROOT
    assert {name(path).split("/")[0] for path in FILES} == set(PACKAGES)
    assert "numba" in imports(ROOT / "particles/softmax/_dense.py")


@pytest.mark.parametrize("path", FILES, ids=name)
def test_imports_run_downwards_only(path: Path) -> None:
    assert not imports(path) & BELOW[path.relative_to(ROOT).parts[0]]


def test_drawing_belongs_to_the_studies() -> None:
    assert all(file.startswith("studies/") for file in importers("matplotlib"))


def test_one_file_knows_the_transport_solver() -> None:
    assert importers("ot") == {"meanfield/arcs.py"}
    assert "ot" not in imports(ROOT / "meanfield/arcs.py", top_level_only=True)


def test_no_kernel_gives_up_nan() -> None:
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.keyword) and node.arg == "fastmath":
                assert not isinstance(node.value, ast.Constant), f"{name(path)}:{node.value.lineno}"
    from particles.softmax import _exp

    assert not {"nnan", "ninf", "fast", "afn"} & (_exp.EXACT | _exp.REDUCE)


@pytest.mark.parametrize("path", FILES, ids=name)
def test_a_file_is_one_idea(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 400


def loaded_by(statement: str) -> set[str]:
    """Top-level modules present after a statement in a fresh interpreter."""
    show = "import sys; print(*sorted({name.split('.')[0] for name in sys.modules}))"
    command = [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(ROOT)!r}); {statement}; {show}"]
    return set(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split())


def test_the_limit_loads_neither_drawing_nor_transport_nor_the_compiler() -> None:
    loaded = loaded_by("import meanfield")
    assert {"meanfield", "particles"} <= loaded
    assert not loaded & {"ot", "matplotlib", "numba", "studies", "xarray"}


def test_finitely_many_tokens_do_not_load_the_limit() -> None:
    loaded = loaded_by("import particles")
    assert "particles" in loaded
    assert not loaded & {"meanfield", "studies", "ot", "matplotlib", "xarray"}


@pytest.mark.parametrize("package", [particles, meanfield], ids=lambda package: package.__name__)
def test_every_promised_name_exists(package) -> None:
    assert sorted(package.__all__) == sorted(set(package.__all__))
    for promised in package.__all__:
        assert getattr(package, promised).__doc__, promised
