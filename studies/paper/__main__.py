"""`python -m studies.paper RESULTS`: docs/paper.md from the folder of the results, on stdout."""

from __future__ import annotations

import sys
from pathlib import Path

from studies.errors import BAD_INPUT, DONE
from studies.paper import page


def main(arguments: list[str]) -> int:
    """Write the page; return the exit status."""
    if len(arguments) != 1 or not Path(arguments[0]).is_dir():
        print(
            "usage: python -m studies.paper RESULTS, the folder of `meanfield run paper --out RESULTS`", file=sys.stderr
        )
        return BAD_INPUT
    try:
        results = page.read(Path(arguments[0]))
    except ValueError as error:
        print(error, file=sys.stderr)
        return BAD_INPUT
    sys.stdout.write(page.markdown(results))
    return DONE


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
