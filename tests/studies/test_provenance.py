"""What made a result: its sources change with every file that can change a number, and with no other."""

from __future__ import annotations

import pytest

from studies import provenance


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package like this one: two studies, one of which is a package, and files that they share."""
    contents = {
        "__init__.py": "",
        "one.py": "from house.shared import x\n",
        "two/__init__.py": "import house.two.part\n",
        "two/part.py": "def f():\n    from house import late\n",
        "shared.py": "import house.deep\n",
        "deep.py": "x = 1\n",
        "late.py": "",
        "other.py": "",
    }
    for name, content in contents.items():
        path = tmp_path / "house" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(content)
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path / "house"


def changed_by(package, study):
    """The files whose change is seen in the digest of a study."""
    seen = set()
    for path in package.rglob("*.py"):
        provenance.sources.cache_clear()
        before = provenance.sources(study)
        content = path.read_text()
        path.write_text(content + "# changed\n")
        provenance.sources.cache_clear()
        if provenance.sources(study) != before:
            seen.add(path.relative_to(package).as_posix())
        path.write_text(content)
    provenance.sources.cache_clear()
    return seen


def test_what_a_study_imports_from_its_own_package_counts(package):
    assert changed_by(package, "house.one") == {"one.py", "shared.py", "deep.py"}
    assert changed_by(package, "house.two") == {"two/__init__.py", "two/part.py", "late.py"}
    assert len(changed_by(package, "house")) == 8


def test_the_runner_is_no_part_of_a_studys_sources():
    files = set(provenance._closure(["studies.existence"]))
    assert "studies.existence" in files and not files & {f"studies.{part}" for part in ("contract", "runner", "pool")}
    assert "studies.agreement.pairs" in provenance._closure(["studies.agreement"])


def test_a_module_that_is_not_there_is_said():
    with pytest.raises(ModuleNotFoundError, match=r"no module named 'studies\.nothing'"):
        provenance.sources("studies.nothing")


def test_the_commit_is_one_or_none():
    commit = provenance.commit()
    assert commit is None or len(commit.removesuffix("+changes")) == 40
