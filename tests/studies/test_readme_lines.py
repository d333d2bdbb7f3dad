from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def marked(name):
    """What stands in the README's fenced block between two markers."""
    text = (ROOT / "README.md").read_text().split(f"<!-- {name} -->\n")[1].split(f"<!-- end {name} -->")[0]
    return text.split("\n", 1)[1].rsplit("```", 1)[0]


def test_the_example_problem_is_the_shipped_file():
    assert marked("example-problem") == (ROOT / "studies" / "problems" / "figure_06.toml").read_text()


@pytest.mark.skipif(os.name != "posix", reason="the script is for bash")
def test_continuous_integration_runs_exactly_the_test_line(tmp_path):
    # A copy of the script, beside the README, with commands on the path that only say what they were asked.
    (tmp_path / ".ci").mkdir()
    for name in (".ci/run", "README.md"):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "bash").write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    (tmp_path / "bin" / "bash").chmod(0o755)
    (tmp_path / ".venv").mkdir()
    path = f"{tmp_path / 'bin'}:{os.environ['PATH']}"
    done = subprocess.run(
        ["/bin/bash", str(tmp_path / ".ci" / "run")],
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == marked("test-command").strip()
    assert not (tmp_path / ".venv").exists()  # so that the environment is fresh
