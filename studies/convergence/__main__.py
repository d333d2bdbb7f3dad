"""`python -m studies.convergence results/convergence/convergence.json`: the page of the documentation, on stdout."""

from __future__ import annotations

import sys

from studies.convergence.report import markdown
from studies.page import print_page


def main(arguments: list[str]) -> int:
    """Write the page made from a stored document; return the exit status."""
    return print_page("convergence", markdown, arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
