"""A page of the documentation, made from a study's stored numbers: what `python -m studies.NAME` prints."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from studies.errors import BAD_INPUT, DONE
from studies.files import read_json


def print_page(study: str, markdown: Callable[[dict[str, Any]], str], arguments: Sequence[str]) -> int:
    """Write the page made from the one stored document that is named; return the exit status."""
    if len(arguments) != 1 or not Path(arguments[0]).is_file():
        print(f"usage: python -m studies.{study} results/{study}/{study}.json", file=sys.stderr)
        return BAD_INPUT
    sys.stdout.write(markdown(read_json(Path(arguments[0]))))
    return DONE
