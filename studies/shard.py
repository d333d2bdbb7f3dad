"""One of several runs that share the cases of a study: place k belongs to run i of N if k mod N = i - 1."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Shard:
    """Run `number` of `count`, counted from 1.

    Raises
    ------
    ValueError
        If there is no such run.
    """

    number: int = 1
    count: int = 1

    def __post_init__(self) -> None:
        if not 1 <= self.number <= self.count:
            raise ValueError(f"run {self.number} of {self.count}")

    @classmethod
    def read(cls, text: str) -> Shard:
        """Return what "i/N" means.

        Raises
        ------
        ValueError
            If it means nothing; the text says what is allowed.
        """
        number, slash, count = text.partition("/")
        try:
            if slash and number.isascii() and number.isdigit() and count.isascii() and count.isdigit():
                return cls(int(number), int(count))
        except ValueError:
            pass
        raise ValueError(f"must be i/N with 1 <= i <= N, as in 1/4; got {text!r}.")

    def __contains__(self, place: int) -> bool:
        """Whether the case at this place, counted from 0, belongs to this run."""
        return place % self.count == self.number - 1
