"""What the command line asked for, as every benchmark sees it."""

from __future__ import annotations

from dataclasses import dataclass

from table import Bar


@dataclass(frozen=True)
class Options:
    """Sizes, rounds, peers and the seed of all data.

    Quick runs are ten times smaller and are not judged: the bars belong to the full sizes.
    """

    quick: bool
    peers: tuple[str, ...]
    seed: int = 20230509

    @property
    def rounds(self) -> int:
        return 3 if self.quick else 5

    def size(self, n: int) -> int:
        return n // 10 if self.quick else n

    def judged(self, bar: Bar) -> Bar | None:
        return None if self.quick else bar
