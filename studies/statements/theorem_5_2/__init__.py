"""Theorem 5.2: a leading eigenvalue with multiplicity. Tokens tend to (boundary of a polytope K in F, or 0) + G.

V = lambda I on F, of spectral radius below lambda on G, both invariant, F + G = R^d, and B > 0 (Def. 5.1). pi_F is the
projector onto F *along G*; F and G need not be orthogonal. With leaders L(i) settled at t*,

    pi_F z_i(t) = pi_F z_L + e^{-lambda t} pi_F D_i,

while the part in G may grow without bound. So K is the hull of pi_F z_L, and every token's distance to it is known at
every depth, however large its other part. Exponents divided by e^{2 lambda t} tend to <A pi_F z_i, A pi_F z_j>. Hence
the set of limits is that of Theorem 8.1 for the form B restricted to F,

    S = {w in K: |Aw|² = max_j <Aw, Av_j>}.

Leaders that tokens share for long do not matter to a bound for all later depths. Where F is a line, pi_F z is a level
and K an interval or a point: the bound shows to which end each token tends, and encloses the ends (`particles.levels`).
Elsewhere it shows near which vertex of K each token ends, and how near (`particles.corners`): a verdict on the boundary
of K to that width, and none on S.

Section 10 prints pi_F A w for A w here. These are different forms unless pi_F commutes with A, and with the printed one
a vertex of K may fail to be in S. Both are computed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import Field
from scipy.linalg import sqrtm

from particles import Adaptive, Attention, Raw, settle, solve
from particles.checks import Array
from particles.geometry import Hull, limit_points
from particles.spectrum import GoodTripleWithMultiplicity, good_triple_with_multiplicity
from studies.contract import StudyConfig
from studies.statements import draws, verdict
from studies.statements.enclosed import enclosed, told
from studies.statements.theorem_3_1 import polytope
from studies.statements.theorem_3_1.polytope import BOUND, KINDS, largest, reached, vertices_in_S
from studies.statements.theorem_3_1.random_draws import TOLERANCE, outside, step_errors
from studies.statements.verdict import Verdict
from studies.text_table import text_table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SLOPE = 0.05  # relative: |z| of followers over the depth in which it grows e^100-fold, to a factor e^5

# (d, dimension of F); published: V = diag(1, 1, -1/2) of Fig. 8
SETTINGS = {
    "Fig. 8's V, B = I": (3, 2),
    "Fig. 8's V, random B": (3, 2),
    "F plane, G line": (3, 2),
    "F line, G plane": (3, 1),
    "F plane, G plane": (4, 2),
    "F space, G line": (4, 3),
}
_DRAWN = ("path", "times", "limit", "S", "printed_S")


class Config(StudyConfig):
    """Sizes of the study of Theorem 5.2."""

    draws: int = Field(1, ge=1)
    n: int = Field(40, ge=2)
    depths: int = Field(17, ge=2)

    @classmethod
    def full(cls, seed: int = 0) -> Config:
        """Return the size a paper would print."""
        return cls(seed=seed, draws=17, depths=25)


def cases(config: Config) -> list[dict[str, Any]]:
    """Return one case for each draw of each setting."""
    settings = [name for name in SETTINGS for _ in range(config.draws)]
    return [
        {"setting": name, "n": config.n, "depths": config.depths, "seed": [config.seed, k]}
        for k, name in enumerate(settings)
    ]


def start(case: dict[str, Any]) -> tuple[Attention, Array]:
    """Return the attention and the initial tokens of a case."""
    (d, k), rng = SETTINGS[case["setting"]], np.random.default_rng(case["seed"])
    published = case["setting"].startswith("Fig. 8")
    V = np.diag([1.0, 1.0, -0.5]) if published else draws.paranormal(rng, d, k)
    B = np.eye(d) if case["setting"].endswith("B = I") else draws.positive_definite(rng, d)
    return draws.attention(B, V), draws.tokens(rng, case["n"], d)


def run_case(case: dict[str, Any]) -> dict[str, Any]:
    """Return the numbers of one draw."""
    attention, tokens = start(case)
    triple = good_triple_with_multiplicity(attention)
    numbers: dict[str, Any] = {"holds": triple.holds, "problems": list(triple.problems), "decided": False}
    if not triple.holds:
        return numbers
    late = settle(attention, tokens)
    if late.status != "settled":
        numbers |= {"value": triple.value, "dim_F": triple.multiplicity}
        numbers |= enclosed(attention, tokens, triple.value, simple=triple.multiplicity == 1)
    times = np.linspace(0.0, late.depth + 1.0 / triple.value, case["depths"])
    run = solve(Raw(attention), tokens, times, stepper=Adaptive(TOLERANCE, TOLERANCE))
    if run.status != "finished":
        return numbers | {"message": late.message or run.message}
    F, onto, B = triple.basis, triple.basis.T @ triple.onto, attention.B
    shrunk = np.exp(-triple.value * times)[:, None, None] * run.points  # pi_F z = e^{-lambda t} pi_F x
    path, limit = shrunk @ onto.T, late.limit @ onto.T
    numbers |= {
        "outside": outside(path),
        "outside_bound": step_errors(shrunk, run.stats["steps"]) * float(np.linalg.norm(onto, 2)),
    }
    if late.status != "settled":
        return numbers | {"message": late.message}
    offsets = late.offsets @ onto.T
    K, S = Hull(limit), limit_points(limit, F.T @ B @ F)
    printed = limit_points(limit, _printed_form(B, triple))
    to_printed = printed.nearest(limit)[1] if len(printed.points) else np.full(len(limit), np.inf)
    explicit = limit + np.exp(-triple.value * times[-1]) * offsets
    return numbers | {
        "decided": True,
        **polytope.numbers(limit, K, S, F.T @ B @ F),
        "dims": [triple.multiplicity, attention.dim - triple.multiplicity],
        "value": triple.value,
        "radius": triple.radius,
        "oblique": float(np.linalg.norm(triple.onto, 2)),
        "off_F": float(np.linalg.norm(attention.V @ F - triple.value * F, 2)),
        "depth": late.depth,
        "error": late.error * float(np.linalg.norm(onto, 2)),
        "offset": float(np.linalg.norm(offsets, axis=1).max()),
        "against_run": float(np.abs(path[-1] - explicit).max()),
        "printed_vertices_missing": int((~printed.vertex_holds).sum()),
        "tokens_not_in_printed": int((to_printed > BOUND * K.scale).sum()),
        **_beside(attention, triple, late),
        "path": path,
        "times": times,
        "limit": limit,
        "printed_S": printed.points,
        "corners": [int(j) for j in K.vertices],
    }


def _printed_form(B: Array, triple: GoodTripleWithMultiplicity) -> Array:
    """Return the form |pi_F A w|² on F that Section 10 prints."""
    printed = triple.onto @ np.real(sqrtm(B)) @ triple.basis
    return printed.T @ printed


def _beside(attention: Attention, triple: GoodTripleWithMultiplicity, late: Any) -> dict[str, float | None]:
    """Return the rate at which tokens grow along G, and the one expected: the largest of -Re of eigenvalues on G."""
    d = attention.dim
    rates = -np.linalg.eigvals((np.eye(d) - triple.onto) @ attention.V).real
    rate = float(rates.max())
    if rate <= 0.05 * triple.value:
        return {"rate": None, "slope": None}
    span = 50.0 / rate
    far = [float(np.abs(late.rescaled(late.depth + t) @ (np.eye(d) - triple.onto).T).max()) for t in (span, 3 * span)]
    return {"rate": rate, "slope": float(np.log(far[1] / far[0]) / (2 * span))}


def summary(config: Config, results: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the verdicts, a row for each draw, and what is drawn."""
    pairs = list(zip(cases(config), results, strict=True))
    rows = [
        case | {key: value for key, value in result.items() if key not in (*_DRAWN, "corners", "S_kinds")}
        for case, result in pairs
    ]
    known = [row for row in rows if row["decided"]]
    return {
        "verdicts": [one.record() for one in _verdicts(rows, known)],
        "rows": rows,
        "drawn": _drawn(pairs),
        "headline": {
            "draws": len(rows),
            "decided": len(known),
            "enclosed": sum("ends" in row for row in rows),
            "in_S": sum(reached(row) is True for row in rows),
            "vertices_hold": all(row["vertices_hold"] for row in known),
            "not_in_printed_S": sum(row["tokens_not_in_printed"] > 0 for row in known),
            "outside": largest([row for row in rows if "outside" in row], "outside"),
            "Fig. 8's rate": next((row["slope"] for row in known if row["setting"].startswith("Fig. 8")), None),
        },
    }


def _verdicts(rows: list[dict[str, Any]], known: list[dict[str, Any]]) -> list[Verdict]:
    relative = max((max(row["limit_from_S"], row["limit_from_boundary"]) / row["size"] for row in known), default=0.0)
    latest = max((row["value"] * row["depth"] for row in known), default=0.0)
    farthest = largest(known, "offset")
    vertices = [row["kinds"]["vertex"] for row in known if row["dims"][0] > 1] or [0]
    growing = [row for row in known if row["rate"] is not None]
    missing = [row for row in known if row["tokens_not_in_printed"]]
    run = [row for row in rows if "outside" in row]
    return [
        Verdict.of(
            "Definition 5.1",
            "F, G and pi_F exist: V = lambda I on F, spectral radius below lambda on G",
            f"F is found as built, V - lambda on it at most {largest(known, 'off_F'):.1e}; |pi_F| is up to "
            f"{largest(known, 'oblique'):.3g}, that is, F and G are not orthogonal",
            [row["holds"] and (not row["decided"] or tuple(row["dims"]) == _dims(row)) for row in rows],
        ),
        Verdict.of(
            "Theorem 5.2",
            "pi_F z_i tends to the boundary of a polytope K in F, or to 0",
            f"limits lie within {relative:.1e} of the radius of K from its boundary; from lambda t* <= {latest:.3g} on "
            f"tokens approach them as e^(-lambda t) |pi_F D|, |pi_F D| <= {farthest:.3g}, and are within "
            f"{farthest * np.exp(-40):.1e} at lambda t = 40; {sum(row['to']['vertex'] for row in known)} of "
            f"{sum(row['n'] for row in known)} tokens tend to vertices, of which K has {min(vertices)} to "
            f"{max(vertices)} where F is a plane or space; at lambda (t - t*) = 1 the solver is within "
            f"{largest(known, 'against_run'):.1e} of that.{told(rows)}",
            [True if "ends" in row else reached(row) for row in rows],
        ),
        Verdict.of(
            "Section 10, hull",
            "pi_F of the hull of the rescaled tokens never grows",
            f"no token leaves it between consecutive depths by more than {largest(run, 'outside'):.1e}; errors of "
            f"the steps can add up to {largest(run, 'outside_bound'):.1e}",
            [row["outside"] <= row["outside_bound"] if "outside" in row else None for row in rows],
        ),
        Verdict.of(
            "Section 10, S with <Aw, Av>",
            "vertices of K are in S, S for the form B on F",
            f"every vertex beats the others by at least {min((row['lead'] for row in known), default=0.0):.1e} of the "
            "largest |Av|²",
            [vertices_in_S(row) for row in rows],
        ),
        Verdict.of(
            "Section 10, S as printed with <pi_F Aw, pi_F Av>",
            "every token's limit is in S",
            f"in {len(missing)} of {len(known)} draws a vertex of K to which tokens tend is not in the printed S (up "
            f"to {largest(known, 'tokens_not_in_printed'):.0f} tokens of {rows[0]['n']}); with <Aw, Av> it always is, "
            "and the theorem itself is not touched",
            [row["tokens_not_in_printed"] == 0 if row["decided"] else None for row in rows],
        ),
        Verdict.of(
            "Figure 8, Remark 9.4",
            "where V has eigenvalues of negative real part on G, tokens diverge along G",
            f"like e^(rate t), rate the largest of -Re: measured over expected is "
            f"{min((row['slope'] / row['rate'] for row in growing), default=1.0):.4f} to "
            f"{max((row['slope'] / row['rate'] for row in growing), default=1.0):.4f}",
            [abs(row["slope"] / row["rate"] - 1) <= SLOPE for row in growing],
        ),
    ]


def _dims(row: dict[str, Any]) -> tuple[int, int]:
    d, k = SETTINGS[row["setting"]]
    return k, d - k


def _drawn(pairs: list[tuple[dict[str, Any], dict[str, Any]]]) -> list[dict[str, Any]]:
    """Return Fig. 8's own draw, and of those in a plane the one whose printed S misses most, or else most oblique."""
    plane = [(case, result) for case, result in pairs if result["decided"] and result["dims"][0] == 2]
    if not plane:
        return []
    worst = max(plane, key=lambda pair: (pair[1]["tokens_not_in_printed"], pair[1]["oblique"]))
    chosen = [plane[0], *([worst] if worst is not plane[0] else [])]
    names = (*_DRAWN, "corners", "S_kinds", "value", "offset", "depth")
    return [case | {key: np.asarray(result[key]).tolist() for key in names} for case, result in chosen]


def table(summary: dict[str, Any]) -> str:
    """Return the verdicts, and a row for each draw."""
    rows = []
    for row in summary["rows"]:
        if not row["decided"]:
            said = "enclosed" if "ends" in row else "undecided" if row["holds"] else "; ".join(row["problems"])
            rows.append([row["setting"], said, *[""] * 6])
            continue
        S = "+".join(str(row["kinds"][kind]) for kind in KINDS)
        lambdas = [f"{row['value']:.3f}", f"{row['radius']:.3f}", f"{row['oblique']:.2f}"]
        last = [f"{row['limit_from_boundary']:.1e}", str(row["tokens_not_in_printed"])]
        rows.append([row["setting"], *lambdas, f"{row['value'] * row['depth']:.2f}", S, *last])
    heading = [
        "setting",
        "lambda",
        "rho on G",
        "|pi_F|",
        "lambda t*",
        "S: vertices+faces+0",
        "from boundary",
        "not in printed",
    ]
    return "\n".join([verdict.table(summary), "", text_table(heading, rows)])


def figure(summary: dict[str, Any]) -> Figure:
    """Return tokens in F with K and both sets S, and distances over depth."""
    from studies.statements.theorem_5_2.drawing import draw  # workers do not draw

    return draw(summary)
