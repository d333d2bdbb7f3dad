"""The README's own program, run as it stands there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import meanfield

README = Path(__file__).parents[1] / "README.md"


def test_quick_start(capsys) -> None:
    found = re.search(r"<!-- quick-start -->\n```python\n(.*?)```", README.read_text(), re.DOTALL)
    assert found
    names: dict[str, Any] = {}
    exec(compile(found[1], str(README), "exec"), names)
    assert names["path"].status == names["by_particles"].status == names["by_grid"].status == "finished"
    plan = meanfield.transport(names["by_particles"][-1], names["by_grid"][-1])
    # atoms stand for both densities: the distance is no more than that
    assert plan.distance <= plan.quantisation
    assert abs(names["by_particles"][-1].cov - names["by_grid"][-1].cov).max() < 2e-5  # 64 cells, order 2
