"""What made a result: versions, sources and commit."""

from __future__ import annotations

import ast
import hashlib
import importlib.metadata
import importlib.util
import os
import platform
import subprocess
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

DISTRIBUTION = "attention-meanfield"
LIBRARIES = {"numpy": "numpy", "scipy": "scipy", "pot": "POT", "numba": "numba"}
RUNNER = ("studies.contract", "studies.text_table")  # what a study imports of the runner, and numbers do not see


def version() -> str:
    """Return this package's version, without importing numerical libraries when it is installed."""
    try:
        return importlib.metadata.version(DISTRIBUTION)
    except importlib.metadata.PackageNotFoundError:
        import particles

        return particles.__version__


@cache
def versions() -> dict[str, str]:
    """Return the versions of Python, of this package and of the libraries that decide the numbers."""
    libraries = {name: importlib.metadata.version(distribution) for name, distribution in LIBRARIES.items()}
    return {"python": platform.python_version(), DISTRIBUTION: version(), **libraries}


@cache
def machine() -> dict[str, Any]:
    """Return on what a result was computed."""
    return {
        "platform": platform.platform(),
        "processor": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "hostname": platform.node(),
    }


@cache
def sources(*modules: str) -> str:
    """Return a digest of the sources of these modules; of a package, all its files.

    What a module imports from its own package counts too, and so on. A stored case is worth reusing only while the
    code that made it stands, and the version number does not change with every edit.
    """
    digest = hashlib.sha256()
    for module, path in sorted(_closure(modules).items()):
        digest.update(module.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def code(study: str) -> str:
    """Return the version of this package with a digest of all sources that decide the numbers of a study's module."""
    return f"{version()}+{sources('particles', 'meanfield', study)}"


def _closure(modules: Iterable[str]) -> dict[str, Path]:
    """Return the files of these modules, and of those that they import from their own packages, by import name."""
    found: dict[str, Path] = {}
    todo = list(modules)
    while todo:
        module = todo.pop()
        own = module.partition(".")[0]
        for name, path in _files(module).items():
            if name not in found:
                found[name] = path
                # All of a package is there already.
                todo += [one for one in _imports(path) if one.partition(".")[0] == own != module and _counts(one)]
    return found


def _counts(module: str) -> bool:
    """Whether a module's sources decide numbers: the runner's do not, and all of a package is not meant."""
    return "." in module and module not in RUNNER and _exists(module)


def _exists(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False  # `from package.module import name` names no module


def _imports(path: Path) -> frozenset[str]:
    """Return every module that a file may import, wherever in it."""
    return _imported(path.read_bytes())


@cache
def _imported(source: bytes) -> frozenset[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return frozenset(found)


def _files(module: str) -> dict[str, Path]:
    """Return a module's file, or all files of a package, by import name."""
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(f"no module named {module!r}", name=module)
    origin = Path(spec.origin)
    if not spec.submodule_search_locations:
        return {module: origin}
    inside = {path: path.relative_to(origin.parent).with_suffix("") for path in origin.parent.rglob("*.py")}
    return {".".join((module, *name.parts)): path for path, name in inside.items()}


def commit() -> str | None:
    """Return the sources' git commit, with `+changes` if they differ from it; None outside a checkout."""
    here = Path(__file__).resolve().parent
    head = _git(here, "rev-parse", "HEAD")
    # An installed copy may lie inside another project's checkout, whose commit says nothing about it.
    if head is None or _git(here, "ls-files", "--error-unmatch", Path(__file__).name) is None:
        return None
    return head + ("+changes" if _git(here.parent, "status", "--porcelain") else "")


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def record() -> dict[str, Any]:
    """Return everything above that belongs beside a result."""
    return {"versions": versions(), "commit": commit(), **machine()}
