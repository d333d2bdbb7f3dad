"""Theorem 3.1 and 8.1: with V = I and B > 0 the hull shrinks to a polytope K, and every token tends to a point of S.

    conv{z_i(t)} falls as t grows (Prop. 8.2), so z_i(t) stays in conv{z_j(0)} (Cor. 8.3);
    it tends to a polytope K with vertices V, and z_i(t) to a point of S = {w in K: |Aw|² = max_j <Aw, Av_j>};
    S is finite, V ⊂ S ⊂ boundary of K + {0} (Claim 1).

Over random starts in the plane and in space, with B = I and with random B > 0: the hulls of consecutive depths, K from
the leaders that `particles.settle` certifies, S exactly by `particles.geometry.limit_points`. The paper also says that
almost every start ends at vertices alone, few of them, and that a null set of starts does not: symmetric starts,
whose tokens on the mirrors tend to feet of facets and to 0, and tokens just beside a mirror.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import Field

from studies.contract import StudyConfig
from studies.statements import verdict
from studies.statements.theorem_3_1 import mirrored, random_draws
from studies.statements.theorem_3_1.polytope import BOUND, KINDS, largest, reached, vertices_in_S
from studies.statements.verdict import Verdict
from studies.text_table import text_table

if TYPE_CHECKING:
    from matplotlib.figure import Figure


_RUNS = {"random": random_draws.run, "mirrored": mirrored.run}
_DRAWN = ("path", "times", "limit", "S", "S_kinds", "corners", "lonely", "kind")


class Config(StudyConfig):
    """Sizes of the study of Theorem 3.1."""

    draws: int = Field(1, ge=1)
    sizes: tuple[int, ...] = (10, 40)
    depths: int = Field(9, ge=2)
    mirrored: int = Field(2, ge=1)
    asides: tuple[int, ...] = (1, 5, 10, 14, 16)

    @classmethod
    def full(cls, seed: int = 0) -> Config:
        """Return the size a paper would print."""
        return cls(seed=seed, draws=9, sizes=(5, 10, 20, 40, 100), depths=33, mirrored=50, asides=tuple(range(1, 17)))


def cases(config: Config) -> list[dict[str, Any]]:
    """Return one case for each random start, each symmetric start, and each distance from a mirror."""
    settings = [
        (d, form, n) for _ in range(config.draws) for d in (2, 3) for form in random_draws.FORMS for n in config.sizes
    ]
    found: list[dict[str, Any]] = [
        {"part": "random", "d": d, "form": form, "n": n, "depths": config.depths, "seed": [config.seed, k]}
        for k, (d, form, n) in enumerate(settings)
    ]
    found += [
        {"part": "mirrored", "d": d, "count": 3, "depths": config.depths, "seed": [config.seed, len(settings) + k]}
        for k, d in enumerate([2, 3] * config.mirrored)
    ]
    return found + [{"part": "beside", "aside": 10.0**-k} for k in config.asides]


def run_case(case: dict[str, Any]) -> dict[str, Any]:
    """Return the numbers of one start."""
    return mirrored.beside(case["aside"]) if case["part"] == "beside" else _RUNS[case["part"]](case)


def summary(config: Config, results: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the verdicts, a row for each start, and the three starts that are drawn."""
    pairs = list(zip(cases(config), results, strict=True))
    rows = [case | {key: value for key, value in result.items() if key not in _DRAWN} for case, result in pairs]
    parts = {part: [row for row in rows if row["part"] == part] for part in ("random", "mirrored", "beside")}
    certain = [row for row in parts["random"] if row["decided"]]
    vertices = {
        f"d = {d}": {
            str(n): _mean(row["vertices"] for row in certain if (row["d"], row["n"]) == (d, n)) for n in config.sizes
        }
        for d in (2, 3)
    }
    found = [*_on_hulls(parts["random"]), *_on_limits(parts["random"]), *_on_null_set(parts)]
    return {
        "verdicts": [one.record() for one in found],
        "rows": rows,
        "vertices": vertices,
        "drawn": [_drawn(pairs, *choice) for choice in (("random", 2), ("random", 3), ("mirrored", 2))],
        "headline": {
            "random_starts": len(parts["random"]),
            "decided": len(certain),
            "outside": max((row["outside"] for row in certain), default=0.0),
            "limit_from_S": max((row["limit_from_S"] / row["size"] for row in certain), default=0.0),
            "vertices_hold": all(row["vertices_hold"] for row in certain),
            "at_vertices_only": all(row["to"]["vertex"] == row["n"] for row in certain),
            "most_vertices": max((row["vertices"] for row in certain), default=0),
            "mirrored_to": {
                kind: sum(row["to"][kind] for row in parts["mirrored"] if row["decided"]) for kind in KINDS
            },
            "closest_aside_decided": min((row["aside"] for row in parts["beside"] if row["decided"]), default=None),
        },
    }


def _on_hulls(rows: list[dict[str, Any]]) -> Iterable[Verdict]:
    known = [row for row in rows if row["decided"]]
    worst = max((row["outside"] for row in known), default=0.0)
    share = max((row["outside"] / row["outside_bound"] for row in known), default=0.0)
    yield Verdict.of(
        "Proposition 8.2, Corollary 8.3",
        "with V = I and B > 0 the convex hull of the rescaled tokens never grows",
        f"between consecutive depths no token leaves the hull by more than {worst:.1e}, {share:.1e} of what the errors "
        f"of the steps can add up to; the hull's faces move in by up to {largest(known, 'shrunk'):.3g}",
        [row["outside"] <= row["outside_bound"] if row["decided"] else None for row in rows],
    )


def _on_limits(rows: list[dict[str, Any]]) -> Iterable[Verdict]:
    known = [row for row in rows if row["decided"]]
    relative = max((max(row["limit_from_S"], row["limit_from_boundary"]) / row["size"] for row in known), default=0.0)
    farthest = largest(known, "offset")
    yield Verdict.of(
        "Theorem 3.1, Theorem 8.1",
        "the hull tends to a polytope K, and every token to a point of S, on the boundary of K or 0",
        f"limits lie within {relative:.1e} of the radius from S and from the boundary; from t* <= "
        f"{largest(known, 'depth'):.3g} on tokens approach them as e^-t |D|, |D| <= {farthest:.3g}, and are within "
        f"{farthest * np.exp(-40):.1e} at t = 40; one unit after t* the solver is within "
        f"{largest(known, 'against_run'):.1e} of that",
        [reached(row) for row in rows],
    )
    inside = [row for row in known if row["euler"] is not None]
    kinds = {kind: [row["kinds"][kind] for row in known] or [0] for kind in KINDS}
    yield Verdict.of(
        "Claim 1",
        "S is finite and contains the vertices of K; it lies in the boundary of K and {0}",
        f"S has {_range(kinds['vertex'])} vertices, {_range(kinds['face'])} points inside edges and facets, and 0 in "
        f"{sum(kinds['origin'])} of {len(known)} starts; every vertex beats the others by at least "
        f"{min((row['lead'] for row in known), default=0.0):.1e} of the largest |Av|², and no point of S but 0 is "
        f"further than {largest(known, 'S_from_boundary'):.1e} from the boundary. S without 0 is the set of critical "
        f"points of |Ax|² on the boundary: vertices - edges + facets is 0 in the plane and 2 in space in "
        f"{sum(row['euler'] == 2 * (row['d'] == 3) for row in inside)} of the {len(inside)} starts with 0 inside K",
        [_claim_1(row) for row in rows],
    )
    yield Verdict.of(
        "Section 3, almost every start",
        "for almost every start all tokens tend to vertices of K",
        f"{sum(row['to']['vertex'] for row in known)} of {sum(row['n'] for row in known)} tokens tend to a vertex",
        [row["to"]["vertex"] == row["n"] if row["decided"] else None for row in rows],
    )
    large = [row for row in rows if row["n"] >= 20]
    means = ", ".join(
        f"{_mean(row['vertices'] for row in known if (row['d'], row['n']) == (d, n)):.1f} for n = {n} in d = {d}"
        for d in (2, 3)
        for n in sorted({row["n"] for row in large})
    )
    yield Verdict.of(
        "Section 3, number of vertices",
        "K often has far fewer vertices than there are tokens (asked here: fewer than half of n >= 20)",
        f"mean number of vertices: {means}",
        [2 * row["vertices"] < row["n"] if row["decided"] else None for row in large],
    )


def _on_null_set(parts: dict[str, list[dict[str, Any]]]) -> Iterable[Verdict]:
    rows = parts["mirrored"]
    known = [row for row in rows if row["decided"]]
    to = {kind: sum(row["to"][kind] for row in known) for kind in KINDS}
    yield Verdict.of(
        "Section 3, null set",
        "some starts have tokens that tend to points of the boundary that are no vertices, or to 0",
        f"of {sum(row['n'] for row in known)} tokens of symmetric starts, kept symmetric to the last bit, "
        f"{to['face']} tend to a point inside an edge or facet and {to['origin']} to 0, all to one within "
        f"{largest(known, 'target_from_S'):.1e} of the size from S; their distance falls as e^-t, its factor as "
        f"expected to {largest(known, 'offset_drift'):.1e}. {_overtaking(known)}",
        [
            row["target_from_S"] <= BOUND and row["to"]["vertex"] < row["n"] and row["symmetric"]
            if row["decided"]
            else None
            for row in rows
        ],
    )
    beside = parts["beside"]
    decided = [row for row in beside if row["decided"]]
    closest = min((row["aside"] for row in decided), default=float("nan"))
    yield Verdict.of(
        "Section 3, beside the null set",
        "a token just beside the mirror of a symmetric set ends at the vertex on its own side",
        f"so it does from {closest:.0e} away on; t* rises from {min((r['depth'] for r in decided), default=0):.3g} to "
        f"{largest(decided, 'depth'):.3g}; closer to the mirror double precision does not tell",
        [_own_side(row) for row in beside],
    )


def _overtaking(rows: list[dict[str, Any]]) -> str:
    depths = [depth for row in rows for depth in row["overtakes"]]
    if not depths:
        return "None overtakes a token that it follows."
    starts = sum(bool(row["overtakes"]) for row in rows)
    return (
        f"{len(depths)} on mirrors, in {starts} of these starts, follow one that falls back to its corner, overtake it "
        f"at depths from {min(depths):.4g} to {max(depths):.4g} and lead from there on: they tend to vertices, e^-t "
        "beyond a side."
    )


def _claim_1(row: dict[str, Any]) -> bool | None:
    held = vertices_in_S(row)
    if held is None:
        return None
    complete = row["euler"] in (None, 2 * (row["d"] == 3))
    return bool(complete and held and row["S_from_boundary"] <= BOUND * row["size"])


def _own_side(row: dict[str, Any]) -> bool | None:
    if not row["decided"]:
        return None
    corner = mirrored.RECTANGLE[0]
    ends = [
        np.abs(np.array(end) - [side * corner[0], corner[1]]).max()
        for end, side in zip(row["ends"], (1, -1), strict=True)
    ]
    return bool(max(ends) <= mirrored.CORNERS_MOVE)


def _drawn(pairs: list[tuple[dict[str, Any], dict[str, Any]]], part: str, d: int) -> dict[str, Any] | None:
    """Return the start that is drawn: in d dimensions, the random one with most points of S inside faces of K.

    Of symmetric starts the one with most tokens that end at such points, and with the fewest such points among these:
    others have several vertices next to each corner.
    """
    fitting = [
        (case, result)
        for case, result in pairs
        if case["part"] == part
        and case.get("d") == d
        and result["decided"]
        and case.get("n", 40) <= 40
        and not result.get("overtakes")  # whose S has vertices too near a side to be told from it
    ]
    if not fitting:
        return None
    sign = -1 if part == "mirrored" else 1
    case, result = max(fitting, key=lambda pair: (pair[1]["to"]["face"], sign * pair[1]["S_kinds"].count("face")))
    names = ("path", "times", "S", "S_kinds", "limit", "lonely", "kind")
    keep = {name: np.asarray(result[name]).tolist() for name in names if name in result}
    return case | keep | {name: result.get(name) for name in ("corners", "offset", "depth")}


def table(summary: dict[str, Any]) -> str:
    """Return the verdicts, and a row for each random start."""
    rows = []
    for row in summary["rows"]:
        if row["part"] != "random":
            continue
        label = f"d = {row['d']}, {random_draws.FORMS[row['form']]}"
        if not row["decided"]:
            rows.append([label, str(row["n"]), "undecided", *[""] * 5])
            continue
        S = "+".join(str(row["kinds"][kind]) for kind in KINDS)
        numbers = [f"{row[key]:.1e}" for key in ("outside", "limit_from_S", "separation")]
        rows.append([label, str(row["n"]), f"{row['depth']:.1f}", str(row["vertices_at_start"]), S, *numbers])
    heading = ["start", "n", "t*", "vertices at 0", "S: vertices+faces+0", "outside", "from S", "S apart"]
    return "\n".join([verdict.table(summary), "", text_table(heading, rows)])


def figure(summary: dict[str, Any]) -> Figure:
    """Return three starts with S, the number of vertices against n, and distances to S over depth."""
    from studies.statements.theorem_3_1.drawing import draw  # workers do not draw

    return draw(summary)


def _mean(values: Iterable[float]) -> float:
    listed = list(values)
    return sum(listed) / len(listed) if listed else 0.0


def _range(values: list[int]) -> str:
    return f"{min(values)} to {max(values)}"
