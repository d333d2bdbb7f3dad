"""`python -m studies.agreement results/agreement/agreement.json`: the page of the documentation, on stdout."""

from __future__ import annotations

import sys

from studies.agreement.report import markdown
from studies.page import print_page


def main(arguments: list[str]) -> int:
    """Write the page made from a stored document; return the exit status."""
    return print_page("agreement", markdown, arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
