"""`python -m studies.convergence results/convergence/convergence.json`: the page of the documentation, on stdout."""

from __future__ import annotations

import sys
from pathlib import Path

from studies.convergence.report import markdown
from studies.files import read_json


def main(arguments: list[str]) -> int:
    """Write the page made from a stored document; return the exit status."""
    if len(arguments) != 1 or not Path(arguments[0]).is_file():
        print("usage: python -m studies.convergence results/convergence/convergence.json", file=sys.stderr)
        return 2
    sys.stdout.write(markdown(read_json(Path(arguments[0]))))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
