"""The studies by name, known without importing any of them, so that `meanfield list` is quick."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True)
class Study:
    """Where a study lives and what it shows.

    Parameters
    ----------
    name : str
        What the command line calls it, and the folder of its results.
    module : str
        Import name of the module that fulfils `studies.contract.StudyModule`.
    summary : str
        One line for `meanfield list`.
    """

    name: str
    module: str
    summary: str


_ALL = (
    Study("stability", "studies.stability", "growth of W2 between two solutions, against the bound (6.6)"),
    Study(
        "convergence",
        "studies.convergence",
        "W2 and field error from n tokens to the limit in d = 1, 2, 3, and their rates in n",
    ),
    Study(
        "agreement",
        "studies.agreement",
        "particles, grid and exact solutions against each other under refinement",
    ),
    Study("existence", "studies.existence", "the scheme of Prop. 6.5: fields held over tau, sup of W1 as tau falls"),
)


def _figure(number: int, summary: str) -> Study:
    return Study(f"figure-{number:02}", f"studies.figures.figure_{number:02}", f"Fig. {number}: {summary}")


def _statement(name: str, summary: str) -> Study:
    return Study(name, f"studies.statements.{name.replace('-', '_')}", summary)


_FIGURES = (
    _figure(1, "tokens in space gather at the corners of a polytope"),
    _figure(2, "the matrices of Theorem 2.1"),
    _figure(3, "P(t) on the line becomes Boolean, of rank 2"),
    _figure(4, "who attends to whom in the plane, as lines between two clouds"),
    _figure(5, "towards the corners of a polytope: four depths"),
    _figure(6, "two lines in the plane"),
    _figure(7, "two positive eigenvalues: codimension 2"),
    _figure(8, "a polytope times a line"),
    _figure(9, "the set S of limits and its neighbourhood"),
    _figure(10, "P(t) on the line for 100 tokens"),
    _figure(11, "P(t) in 10, 40 and 80 dimensions"),
    _figure(12, "a complex pair with positive real part: collapse"),
    _figure(13, "a complex pair with negative real part: rotation in two planes"),
)
_STATEMENTS = (
    _statement("theorem-2-1", "P(t) becomes Boolean on the line; Lemmas 7.2, 7.3, 7.5 to 7.8, Remark 2.2"),
    _statement("remark-7-9", "two tokens in the plane, examined"),
    _statement("theorem-3-1", "V = I: the hull shrinks to a polytope, tokens tend to S; Prop. 8.2, Theorem 8.1"),
    _statement("remark-3-2", "how fast tokens gather"),
    _statement("remark-3-3", "discrete time beside continuous time"),
    _statement("theorem-4-2", "good triples: at most three hyperplanes; Lemmas 9.1, 9.3, Remarks 9.4, 9.5"),
    _statement("codimension", "the codimension conjecture over random spectra, with its exceptions"),
    _statement("theorem-5-2", "a leading eigenvalue with multiplicity: polytope times subspace"),
    _statement("theorem-8-5", "V = -I: everything falls to the origin; Lemmas 8.7, 8.8, 8.9, Remark 8.6"),
    _statement("table-1", "the rows of Table 1, each with a measured verdict"),
    _statement("multi-head", "Section 12: the rows of Table 1 with several heads"),
    _statement("leaders", "which tokens lead, and what of it the initial tokens tell"),
    _statement("mean-field", "the same statements for the limit of many tokens, beside 40 tokens"),
    _statement("errata", "what is wrong in print, in numbers"),
    _statement("published-scripts", "what the authors' scripts integrate, and how far it is from the equations"),
)

STUDIES = MappingProxyType({study.name: study for study in (*_ALL, *_FIGURES, *_STATEMENTS)})

# A name for several studies.
GROUPS = MappingProxyType(
    {
        "figures": tuple(study.name for study in _FIGURES),
        "statements": tuple(study.name for study in _STATEMENTS),
        "paper": tuple(study.name for study in (*_FIGURES, *_STATEMENTS)),
    }
)

# Not a claim, and not listed: what `meanfield selftest` runs.
SELFTEST = Study("selftest", "studies.selftest_study", "tokens and linear algebra, for the test of the runner")
