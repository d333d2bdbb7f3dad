"""What made a result: versions, sources and commit."""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import platform
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

DISTRIBUTION = "attention-meanfield"
LIBRARIES = {"numpy": "numpy", "scipy": "scipy", "pot": "POT", "numba": "numba"}


def version() -> str:
    """Return this package's version, without importing numerical libraries when it is installed."""
    try:
        return importlib.metadata.version(DISTRIBUTION)
    except importlib.metadata.PackageNotFoundError:
        import particles

        return particles.__version__


def versions() -> dict[str, str]:
    """Return the versions of Python, of this package and of the libraries that decide the numbers."""
    libraries = {name: importlib.metadata.version(distribution) for name, distribution in LIBRARIES.items()}
    return {"python": platform.python_version(), DISTRIBUTION: version(), **libraries}


@cache
def sources(*modules: str) -> str:
    """Return a digest of the sources of these modules; of a package, all its files.

    A stored case is worth reusing only while the code that made it stands, and the version number does not
    change with every edit.
    """
    digest = hashlib.sha256()
    for module in modules:
        for path in _files(module):
            digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def _files(module: str) -> list[Path]:
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(f"no module named {module!r}", name=module)
    origin = Path(spec.origin)
    return sorted(origin.parent.rglob("*.py")) if spec.submodule_search_locations else [origin]


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
    return {"versions": versions(), "commit": commit(), "platform": platform.platform()}
