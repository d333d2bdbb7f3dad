"""The order of the paper: which study belongs to which of its sections."""

from __future__ import annotations

from dataclasses import dataclass

from studies.registry import GROUPS


@dataclass(frozen=True)
class Section:
    """A section of the page.

    Parameters
    ----------
    title : str
        Its heading.
    studies : tuple of str
        What is measured there, by the names of the studies.
    text : str
        What stands under the heading.
    """

    title: str
    studies: tuple[str, ...]
    text: str = ""


SECTIONS = (
    Section("Table 1: the summary", ("table-1",)),
    Section("Section 2: tokens on the line", ("theorem-2-1",)),
    Section("Section 3: V = I, polytopes", ("theorem-3-1", "remark-3-2", "remark-3-3")),
    Section("Section 4: hyperplanes, and the codimension conjecture", ("theorem-4-2", "codimension")),
    Section("Section 5: a leading eigenvalue with multiplicity", ("theorem-5-2",)),
    Section(
        "Section 6: the continuity equation",
        ("existence", "stability"),
        "Tokens are atoms of a measure: curves of nodes that solve the continuity equation are solutions of the ODEs.",
    ),
    Section("Section 7: Remark 7.9", ("remark-7-9",)),
    Section("Section 8: V = −I", ("theorem-8-5",)),
    Section(
        "Section 12: several heads",
        ("multi-head",),
        "The section gives the law for several heads as an outlook: proofs about clustering are an open problem, and "
        "preliminary numerical investigations seem to indicate that interesting clustering phenomena also occur. It "
        "states nothing more; the theorems about one head are asked of several here.",
    ),
    Section(
        "Beyond the paper: leaders, and the limit of many tokens",
        ("leaders", "mean-field"),
        "The first is a remark of the paper's introduction; the second has no counterpart in it.",
    ),
    Section(
        "Errors in print",
        ("errata",),
        "What the paper says here is a sentence or a formula as it is printed; where it fails, it is wrong in print.",
    ),
    Section(
        "What the published scripts integrate",
        ("published-scripts",),
        "What is said here is what text or scripts claim to compute; measured is what the scripts do.",
    ),
)
FIGURES = GROUPS["figures"]
ALL = (*(name for section in SECTIONS for name in section.studies), *FIGURES)
