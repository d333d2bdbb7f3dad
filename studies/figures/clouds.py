"""What Figs. 1, 5 to 8, 12 and 13 have in common: rescaled tokens (3.1) with Q = K = I at the depths of the panels.

Their numbers are those of the limit: whom each token follows, and where these leaders rest,

    z_i(t) -> z_L(i)   along every eigenvector of V whose eigenvalue has a positive real part.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from particles import Attention
from particles.checks import Array
from particles.geometry import Hull, clusters
from studies.contract import StudyConfig
from studies.figures import published, style
from studies.figures.depths import follow
from studies.text_table import text_table

Matrix = list[list[float]]


class CloudConfig(StudyConfig):
    """How many tokens a figure has; their seed is [seed, number of the figure]."""

    n: int = Field(40, ge=4, le=1000)


def case(number: int, config: CloudConfig, values: Matrix, times: list[float]) -> dict[str, Any]:
    """Return the case of a figure: V and the depths of its panels, or of a film's frames."""
    return {"figure": number, "n": config.n, "V": values, "times": times, "seed": [config.seed, number]}


def setting(case: dict[str, Any]) -> tuple[Attention, Array]:
    """Return the attention and the initial tokens."""
    V = np.array(case["V"])
    attention = Attention(Q=np.eye(len(V)), K=np.eye(len(V)), V=V)
    rng = np.random.default_rng(case["seed"])
    return attention, rng.uniform(-published.BOX, published.BOX, (case["n"], len(V)))


def run_case(case: dict[str, Any]) -> dict[str, Any]:
    """Return tokens at the depths of the case, their leaders, and where these rest."""
    attention, start = setting(case)
    found = follow(attention, start, np.array(case["times"]))
    return {
        "tokens": found.points,
        "explicit": found.explicit,
        "leaders": found.settled.leaders,
        "decided": found.settled.decided,
        "limit": found.settled.limit,
        "settled_at": found.settled.depth,
        "error": found.settled.error,
        "difference": found.difference,
    }


def summary(case: dict[str, Any], result: dict[str, Any]) -> dict[str, Any]:
    """Return what every figure of tokens says, JSON-able; `numbers` of a figure are added to it."""
    plain = {key: np.asarray(value).tolist() for key, value in result.items()}
    leading = np.unique(np.asarray(result["leaders"])[np.asarray(result["decided"], dtype=bool)])
    return {
        **{key: case[key] for key in ("figure", "n", "V", "times", "seed")},
        **plain,
        "spectrum": spectrum(case["V"]),
        "undecided": int((~np.asarray(result["decided"], dtype=bool)).sum()),
        "leading": leading.tolist(),
        "followers": [int((np.asarray(result["leaders"]) == leader).sum()) for leader in leading],
        "clusters": [groups(points) for points in np.asarray(result["tokens"])],
    }


def known(summary: dict[str, Any], k: int) -> NDArray[np.bool_]:
    """Return which tokens are known at the k-th depth: an undecided one only where it was solved for."""
    return np.array(summary["decided"], dtype=bool) | (not summary["explicit"][k])


def spectrum(values: Matrix) -> list[list[float]]:
    """Return the eigenvalues of V as [real, imaginary], the largest real part first."""
    found = np.linalg.eigvals(np.array(values))
    order = np.lexsort((-found.imag, -found.real))
    return [[float(value.real), float(value.imag)] for value in found[order]]


def groups(points: Array, tol: float = 0.1) -> int:
    """Return how many clusters there are whose points are linked by steps of at most `tol`, in units of the tokens."""
    return int(clusters(points, tol).max()) + 1


def hull_numbers(points: Any) -> dict[str, Any]:
    """Return the vertices and facets of a hull of tokens, as indices."""
    hull = Hull(np.asarray(points), tol=1e-9)
    return {"vertices": sorted(int(k) for k in hull.vertices), "facets": [[int(k) for k in f] for f in hull.facets]}


def note(summary: dict[str, Any], values: str) -> str:
    """Return the line below a figure: how many tokens, from which seed, with which V."""
    seed, d = summary["seed"], len(summary["V"])
    power = "\u00b2" if d == 2 else "\u00b3"
    undecided = f"; {summary['undecided']} undecided, left out later on" if summary["undecided"] else ""
    return (
        f"{summary['n']} tokens, uniform on [\u22125, 5]{power}, seed {seed}; Q = K = I, {values}; "
        f"settled at t = {summary['settled_at']:.2f}{undecided}"
    )


def table(summary: dict[str, Any], title: str, columns: dict[str, list[str]], lines: list[str]) -> str:
    """Return a row for each panel, with a figure's own columns, and what holds for all of them."""
    rows = [
        [f"{t:g}", "explicit" if late else "solved", str(count), *(values[k] for values in columns.values())]
        for k, (t, late, count) in enumerate(
            zip(summary["times"], summary["explicit"], summary["clusters"], strict=True)
        )
    ]
    followers = ", ".join(
        f"{leader} ({count})" for leader, count in zip(summary["leading"], summary["followers"], strict=True)
    )
    difference = summary["difference"]
    both = f"; where both ways exist they differ by {difference:.1e}" if difference >= 0 else ""
    undecided = summary["undecided"]
    if undecided:
        lines = [
            *lines,
            f"Double precision does not decide whom {undecided} tokens follow; they are left out.",
        ]
    return "\n".join(
        [
            f"{title}; n = {summary['n']}, seed {summary['seed']}",
            f"Eigenvalues of V: {style.eigenvalues(summary['spectrum'], 4)}",
            text_table(["t", "tokens", "clusters", *columns], rows),
            f"Leaders decided at t = {summary['settled_at']:.2f}, their places known to {summary['error']:.1e}{both}.",
            f"Leaders, and how many follow them, themselves included: {followers}.",
            *lines,
        ]
    )
