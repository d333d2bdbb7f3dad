"""The pages of the documentation: each is in the index, and links between them lead somewhere."""

import re
from pathlib import Path

import pytest

import meanfield
import particles

DOCS = Path(__file__).parents[1] / "docs"
PAGES = sorted(DOCS.glob("*.md"))


def test_the_index_names_every_page() -> None:
    found = re.search(r"```\{toctree\}\n(.*?)```", (DOCS / "index.md").read_text(encoding="utf-8"), re.DOTALL)
    assert found
    named = [line for line in found[1].splitlines() if line and not line.startswith(":")]
    assert sorted(named) == [page.stem for page in PAGES if page.stem != "index"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files(page: Path) -> None:
    # Formulas such as X[mu](x) are written X\[mu](x), or they would be links.
    for target in re.findall(r"(?<!\\)\[[^\[\]]*(?<!\\)\]\(([^)#]+)[^)]*\)", _outside_code(page)):
        assert target.startswith("https://") or (DOCS / target).exists(), target


def _outside_code(page: Path) -> str:
    text = re.sub(r"```.*?```|`[^`\n]*`", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    return "\n".join(line for line in text.splitlines() if not line.startswith("    "))


def test_public_modules_are_in_the_reference() -> None:
    text = (DOCS / "api.md").read_text(encoding="utf-8")
    modules = [
        f"{package.__name__}.{name}"
        for package in (particles, meanfield)
        for name in package.__all__
        if isinstance(getattr(package, name), type(re))
    ]
    assert "particles.tokens" in modules
    named = re.findall(r"automodule:: (\S+)", text)
    assert sorted(named) == sorted(["particles", "meanfield", *modules])
