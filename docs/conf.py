"""How Sphinx builds the documentation: `sphinx-build -W docs docs/_build`."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # the sources beside it, and not what may be installed

project = "attention-meanfield"
author = "The attention-meanfield authors"
release = re.findall('__version__ = "(.+)"', (ROOT / "particles" / "__init__.py").read_text())[0]
html_title = f"{project} {release}"

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]

html_theme = "alabaster"
html_theme_options = {
    "description": "Self-attention as a particle system, and its mean-field limit",
    "page_width": "82rem",  # for the tables
    "fixed_sidebar": True,
}
html_copy_source = False
smartquotes = False  # x' is a derivative

myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints = "none"  # numpydoc says types in words
napoleon_google_docstring = False
napoleon_use_rtype = False
default_role = "code"  # `single backticks`, as in the sources


def _formulas(_app: Any, _what: str, _name: str, _object: Any, _options: Any, lines: list[str]) -> None:
    """Show formulas as they stand in the sources: indented ones in lines of their own, and |x| as no mark of reST."""
    made: list[str] = []
    described, formula, before = False, False, ""
    for line, after in zip(lines, [*lines[1:], ""], strict=True):
        described = described or (bool(after.strip()) and set(after.strip()) == {"-"})  # by numpydoc, from here on
        indented = line.startswith("    ") and not described
        if indented and not formula and not before.strip():
            made += ["::", ""]
            formula = True
        elif line.strip() and not line.startswith("    "):
            formula = False
        made.append(line if formula or line.lstrip().startswith((">>>", "...")) else _escaped(line))
        before = line
    lines[:] = made


def _escaped(line: str) -> str:
    """Escape bars outside of code."""
    parts = line.split("`")
    return "`".join(part if k % 2 else part.replace("|", "\\|") for k, part in enumerate(parts))


def setup(app: Any) -> None:
    """Let docstrings be read before numpydoc's sections are."""
    app.connect("autodoc-process-docstring", _formulas, priority=400)
