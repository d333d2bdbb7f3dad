"""Two tokens in the plane (Remark 7.9), solved exactly; and whether rank P* is the number of clusters.

V = Q = K = I. Let e be the direction of x_1 - x_2 and u_i = <x_i, e>. As P_11 = 1/(1 + e^{-<x_1, x_1 - x_2>}) and P_22
depend on u alone,

    e stays as it is,    u_1, u_2 are two tokens on the line,    what is orthogonal to e grows as e^t, alike for both.

So two tokens in any dimension have the self-attention matrix of two tokens on the line, where Theorem 2.1 holds. For
the remark's own (1, eps), (1, -eps): x = (a, +-b) with

    a' = a,    b' = b tanh(b^2),    P_11 = 1/(1 + e^{-2 b^2}),

b never shrinks, takes off at t = 1/(2 eps^2), and the rescaled tokens tend to (1, +-w), w = lim b e^{-t}, where

    log w = log eps - int_{eps^2}^inf ds / (s (e^{2s} - 1)),    w = (pi/e^gamma)^{1/2} e^{-1/(2 eps^2)} (1 + O(eps^2)),

with Euler's constant gamma. This is small, but not 0: two clusters, P* = I of rank 2.

An example for what the remark is after takes three tokens, (a, b), (a, -b) and (c, 0). The third stays on the axis,
attends to the other two alike, and gathers halfway between them: three clusters, and a matrix with the rows e_1, e_2,
(e_1 + e_2)/2 of rank 2. With D = a - c its motion is

    a' = a - P_13 D,    b' = (P_11 - P_12) b,    D' = (P_33 - P_13) D.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import Field
from scipy.integrate import quad
from scipy.special import expit

from particles import Adaptive, Attention, Raw, solve
from particles.checks import Array
from particles.geometry import clusters, numerical_rank
from particles.march import FINISHED, march
from particles.settled import settle
from studies.contract import StudyConfig
from studies.statements import verdict
from studies.statements.verdict import Verdict
from studies.statements.wording import ranging
from studies.text_table import text_table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_STEPPER = Adaptive(rtol=1e-11, atol=1e-13)
_AFTER = 8.0  # depth after the take-off at 1/(2 eps^2): b is then of order e^8, and P_12 = e^{-2 b^2} of order e^{-1e6}
_DIRECT = 30.0  # depth of the runs that know nothing of the reduction: e^{2t} passes 1e16 at 18
_EARLY = (
    0.8  # off the axis an error grows as exp(b^2 e^{2t} / 2), below e^6 there: so far the tokens can be run as such
)
_PAIR_DEPTH = 3.0
_PAIR_ERROR = 1e-7  # relative: the tolerance 1e-11, times what nearby solutions part by in that depth, below e^{3 * 3}
_CLUSTER = 1e-6  # of the size of the tokens: limits closer than this count as one
_RANDOM = ((2, 3), (3, 3), (2, 5), (3, 5), (2, 10), (3, 10), (2, 40), (3, 40))  # (d, n)


class Config(StudyConfig):
    """Sizes of the study of Remark 7.9."""

    draws: int = Field(12, ge=1)
    triples: int = Field(0, ge=0)  # of three tokens at random, beside those that are named
    offsets: tuple[float, ...] = Field((1.0, 0.5, 0.3, 0.2, 0.1), min_length=1)

    @classmethod
    def full(cls, seed: int = 0) -> Config:
        """Return the size a paper would print."""
        return cls(
            seed=seed, draws=200, triples=97, offsets=(1.0, 0.7, 0.5, 0.4, 0.3, 0.25, 0.2, 0.15, 0.1, 0.07, 0.05)
        )


def cases(config: Config) -> list[dict[str, Any]]:
    """Return the remark's tokens for each eps, random pairs, three tokens, and random tokens."""
    axis = [(1.0, 1.0, 0.3), (1.0, 0.5, -0.4), (2.0, 1.5, 1.9)]
    rng = np.random.default_rng([config.seed, 3])
    for _ in range(config.triples):
        a, b, share = rng.uniform((0.5, 0.3, 0.0), (2.0, 1.5, 0.95)).tolist()
        axis.append((a, b, share * a))
    return [
        *({"task": "remark", "eps": eps} for eps in config.offsets),
        *({"task": "pair", "dim": 2 + k % 3, "seed": [config.seed, 1, k]} for k in range(config.draws)),
        *({"task": "three", "a": a, "b": b, "c": c} for a, b, c in axis),
        *(
            {"task": "random", "dim": _RANDOM[k % 8][0], "n": _RANDOM[k % 8][1], "seed": [config.seed, 2, k]}
            for k in range(config.draws)
        ),
    ]


def run_case(case: dict[str, Any]) -> dict[str, Any]:
    """Return one example's numbers."""
    return {"task": case["task"], **_TASKS[case["task"]](case)}


def _identity(dim: int) -> Attention:
    return Attention(Q=np.eye(dim), K=np.eye(dim), V=np.eye(dim))


def _remark(case: dict[str, Any]) -> dict[str, Any]:
    """Follow log b, exactly; and (1, +-eps) as anyone would, in the raw frame."""
    eps = case["eps"]
    end = 1 / (2 * eps**2) + _AFTER
    times = np.linspace(0.0, end, 241)

    def velocity(t: float, log_b: Array) -> Array:
        return np.tanh(np.exp(2 * log_b))

    exact = march(velocity, np.array([[np.log(eps)]]), times, _STEPPER)
    log_b = np.array(exact.states)[:, 0, 0]
    below, above = (quad(lambda s: 1 / (s * np.expm1(2 * s)), *ends, limit=400)[0] for ends in ((eps**2, 1), (1, 300)))
    attention = _identity(2)
    depths = np.linspace(0.0, min(end, _DIRECT), 61)
    direct = solve(Raw(attention), [[1.0, eps], [1.0, -eps]], depths, stepper=_STEPPER)
    own = np.array([attention.matrix(direct[k])[0, 0] for k in range(len(direct))])
    # b follows the reduced law; P_11 is compared with the one that belongs to b, which loses no digits
    truth = expit(2 * np.exp(2 * np.interp(direct.times, times, log_b)))
    lost = np.abs(own - truth) > 0.5 * (truth - 0.5)  # of which log b, interpolated linearly, gives away 1e-2
    apart = np.linalg.norm(direct.points[:, 0] - direct.points[:, 1], axis=1)
    return {
        "eps": eps,
        "finished": exact.status == FINISHED,
        "times": times,
        "log_b": log_b,
        "log_w": float(log_b[-1] - end),
        "log_w_formula": float(np.log(eps) - below - above),
        "raw_growth": float(log_b[-1] - np.log(eps)),
        "least_growth": float(np.diff(apart).min() / apart.max()),
        "log_p12": float(-2 * np.exp(2 * log_b[-1])),
        "direct_times": direct.times,
        "direct_p11": own,
        "lost_at": float(direct.times[np.argmax(lost)]) if lost.any() else None,
    }


def _pair(case: dict[str, Any]) -> dict[str, Any]:
    """Compare two random tokens in R^d with two on the line."""
    rng, d = np.random.default_rng(case["seed"]), case["dim"]
    tokens = rng.uniform(-2, 2, (2, d))
    apart = tokens[0] - tokens[1]
    e = apart / np.linalg.norm(apart)
    across = tokens - np.outer(tokens @ e, e)
    there = solve(Raw(_identity(d)), tokens, [0.0, _PAIR_DEPTH], stepper=_STEPPER).points[-1]
    line = solve(Raw(_identity(1)), (tokens @ e)[:, None], [0.0, _PAIR_DEPTH], stepper=_STEPPER).points[-1]
    built = line * e + np.exp(_PAIR_DEPTH) * across
    late = settle(_identity(d), tokens)
    return {
        "dim": d,
        "error": float(np.abs(there - built).max() / np.abs(built).max()),
        **_counts(late.limit, late.matrix, bool(late.decided.all())),
    }


def _three(case: dict[str, Any]) -> dict[str, Any]:
    """Follow (log a, log b, D), from which exponents are formed without a loss; and the same tokens as they stand."""
    a, b, c = (case[name] for name in "abc")

    def weights(state: Array) -> Array:
        """P_11, P_12, P_13, P_33."""
        size, half, D = np.exp(state[0, 0]), np.exp(state[0, 1]), state[0, 2]
        third = size - D  # the third token's place on the axis
        gaps = np.array([0.0, 2 * half**2, size * D + half**2])
        first = np.exp(gaps.min() - gaps)
        first /= first.sum()
        return np.array([*first, expit(-(third * D) - np.log(2))])

    def velocity(t: float, state: Array) -> Array:
        p11, p12, p13, p33 = weights(state)
        D = state[0, 2]
        return np.array([[1 - p13 * D * np.exp(-state[0, 0]), p11 - p12, (p33 - p13) * D]])

    times = np.linspace(0, 12.0, 121)
    run = march(velocity, np.array([[np.log(a), np.log(b), a - c]]), times, _STEPPER)
    states = np.array(run.states)[:, 0]
    p11, p12, p13, p33 = weights(run.states[-1])
    half = (1 - p33) / 2
    P = np.array([[p11, p12, p13], [p12, p11, p13], [half, half, p33]])
    shrink = np.exp(-times[-1])
    size, side, D = np.exp(states[-1, 0]), np.exp(states[-1, 1]), states[-1, 2]
    z = shrink * np.array([[size, side], [size, -side], [size - D, 0.0]])
    direct = solve(Raw(_identity(2)), [[a, b], [a, -b], [c, 0.0]], [0.0, _EARLY], stepper=_STEPPER).points[-1]
    early = states[np.argmin(np.abs(times - _EARLY))]
    built = np.array([[np.exp(early[0]), np.exp(early[1])], [np.exp(early[0]) - early[2], 0.0]])
    return {
        "tokens": [[a, b], [a, -b], [c, 0.0]],
        "limit": z.tolist(),
        "matrix": P.tolist(),
        "error": float(np.abs(direct[[0, 2]] - built).max() / np.abs(built).max()),
        # what is left of the third token's way is D e^{-t}
        **_counts(z, P, run.status == FINISHED, tol=max(_CLUSTER, 10 * shrink * abs(D))),
    }


def _random(case: dict[str, Any]) -> dict[str, Any]:
    """Count clusters and the rank for random tokens."""
    rng, d, n = np.random.default_rng(case["seed"]), case["dim"], case["n"]
    attention = _identity(d)
    late = settle(attention, rng.uniform(-5, 5, (n, d)))
    decided = bool(late.decided.all())
    there = np.full((n, n), np.nan)
    if decided:  # P as it is computed from tokens, at the depth at which leaders are certain
        exponents = late.tokens @ late.tokens.T
        there = np.exp(exponents - exponents.max(axis=1, keepdims=True))
        there /= there.sum(axis=1, keepdims=True)
    return {"n": n, "dim": d, **_counts(late.limit, there, decided)}


def _counts(limit: Array, P: Array, decided: bool, tol: float = _CLUSTER) -> dict[str, Any]:
    """Return how many clusters there are in the limit, and the rank of P."""
    if not decided:
        return {"clusters": None, "rank": None}
    count = int(clusters(limit, tol * float(np.abs(limit).max())).max()) + 1
    return {"clusters": count, "rank": numerical_rank(P)}


_TASKS = {"remark": _remark, "pair": _pair, "three": _three, "random": _random}


def summary(config: Config, results: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the rows of each task and the verdicts."""
    by = {name: [result for result in results if result["task"] == name] for name in _TASKS}
    rows = [
        {key: np.asarray(value).tolist() if isinstance(value, np.ndarray) else value for key, value in row.items()}
        for row in by["remark"]
    ]
    for row in rows:
        row["w_error"] = abs(row["log_w"] - row["log_w_formula"])
        row["w_leading_error"] = abs(row["log_w"] - 0.5 * (np.log(np.pi) - np.euler_gamma) + 1 / (2 * row["eps"] ** 2))
    random = [row for row in by["random"] if row["rank"] is not None]
    return {
        "rows": rows,
        "pairs": by["pair"],
        "three": by["three"],
        "random": by["random"],
        "verdicts": [v.record() for v in _verdicts(rows, by)],
        "headline": {
            "largest error of log w": max(row["w_error"] for row in rows),
            "log w": {f"{row['eps']:g}": row["log_w"] for row in rows},
            "depth at which a run in double precision loses P": {f"{row['eps']:g}": row["lost_at"] for row in rows},
            "largest error of the reduction to the line": max(row["error"] for row in by["pair"]),
            "three tokens": [[row["clusters"], row["rank"]] for row in by["three"]],
            "random draws with rank = clusters": sum(row["rank"] == row["clusters"] for row in random),
            "random draws decided": len(random),
        },
    }


def _same(row: dict[str, Any]) -> bool | None:
    return None if row["rank"] is None else row["rank"] == row["clusters"]


def _verdicts(rows: list[dict[str, Any]], by: dict[str, list[dict[str, Any]]]) -> list[Verdict]:
    """Judge what the remark says, sentence by sentence."""

    def each(holds: Any) -> list[bool | None]:
        return [bool(holds(row)) if row["finished"] else None for row in rows]

    least = min(rows, key=lambda row: row["eps"])
    lost = {row["eps"]: row["lost_at"] for row in rows if row["lost_at"] is not None}
    w_errors = max(row["w_error"] for row in rows)
    wrong = (
        "A run in double precision says otherwise where e^(2t) passes 1e16 before that: from "
        + ", ".join(f"t = {at:.1f} (eps = {eps:g})" for eps, at in lost.items())
        + " on it finds P_ij = 1/2, as x_1 and x_2 are then one number in the exponents."
        if lost
        else "No run in double precision was long enough to lose this."
    )
    three = by["three"]
    drawn = f", {len(three) - 3} of them at random with 0 < c < a," if len(three) > 3 else ""
    counts = ", ".join(f"{row['clusters']} clusters and rank {row['rank']}" for row in three[:1])
    random = [row for row in by["random"] if row["rank"] is not None]
    equal = sum(row["rank"] == row["clusters"] for row in random)
    return [
        Verdict.of(
            "Remark 7.9, the tokens",
            "From (1, eps), (1, -eps): x_i(t) -> (1, 0), a single cluster.",
            f"Raw: x = e^t (1, 0) +- (0, b), and b never shrinks (Lemma 7.2): it grows by e^{least['raw_growth']:.1f} "
            f"for eps = {least['eps']:g} up to t = 1/(2 eps^2) + {_AFTER:g}. Rescaled: z_i -> (1, +-w), with log w = "
            f"{least['log_w']:.3f} there, as the formula says to {w_errors:.0e}: two clusters, "
            "2 (pi/e^gamma)^(1/2) e^(-1/(2 eps^2)) apart.",
            # the claim: b falls to 0 in the raw frame, or w = 0 in the rescaled one
            each(lambda row: row["raw_growth"] < 0 or row["w_error"] > 1 or row["log_w"] == -np.inf),
        ),
        Verdict.of(
            "Remark 7.9, the matrix",
            "From (1, eps), (1, -eps): P(t) tends to the identity.",
            f"P_12 = 1/(1 + e^(2b^2)) is below e^(-10^{min(np.log10(-row['log_p12']) for row in rows):.0f}) at the "
            f"end. It stays near 1/2 until t = 1/(2 eps^2). {wrong}",
            each(lambda row: row["log_p12"] < -1e3),
        ),
        Verdict.of(
            "Remark 7.9, two tokens",
            "Not said by the paper: two tokens in any dimension have as many clusters as P* has rank.",
            "They are two tokens on the line along x_1 - x_2, beside a part that grows as e^t, to a relative "
            f"{max(row['error'] for row in by['pair']):.0e} in random draws: P* and the clusters are those of "
            "Theorem 2.1, so that no example with two tokens can do what the remark asks.",
            [None if (same := _same(row)) is None else same and row["error"] < _PAIR_ERROR for row in by["pair"]],
        ),
        Verdict.of(
            "Remark 7.9, three tokens",
            "The rank of P* is not in full generality the number of clusters.",
            f"Three tokens show it: (a, b), (a, -b), (c, 0){drawn} end with {counts}, the third token halfway between "
            f"the other two. The rows of P* are e_1, e_2 and (e_1 + e_2)/2.",
            [None if (same := _same(row)) is None else not same and row["error"] < _PAIR_ERROR for row in three],
        ),
        Verdict.of(
            "Remark 7.9, at random",
            "For almost all initial tokens the rank of P* is the number of clusters.",
            f"It is in {equal} of {len(random)} random draws that double precision decides, d = 2 and 3, n from 3 to "
            "40" + (f"; {ranging('ranks', [row['rank'] for row in random], 'd')}." if random else "."),
            [_same(row) for row in by["random"]],
        ),
    ]


def table(summary: dict[str, Any]) -> str:
    """Return the verdicts, and a row for each eps."""
    rows = [
        [
            f"{row['eps']:g}",
            f"{1 / (2 * row['eps'] ** 2):.2f}",
            f"{row['log_w']:.9f}",
            f"{row['w_error']:.1e}",
            f"{row['w_leading_error']:.1e}",
            "-" if row["lost_at"] is None else f"{row['lost_at']:.1f}",
        ]
        for row in summary["rows"]
    ]
    heading = ["eps", "takes off at", "log w", "error", "of its leading term", "P lost in doubles at"]
    three = [
        [str(row["tokens"]), str(row["clusters"]), str(row["rank"]), f"{row['error']:.0e}"]
        for row in summary["three"][:3]
    ]
    return "\n".join(
        [
            verdict.table(summary),
            text_table(heading, rows),
            text_table(["three tokens", "clusters", "rank", f"error at t = {_EARLY:g}"], three),
        ]
    )


def figure(summary: dict[str, Any]) -> Figure:
    """Return b in both frames, P_11 as it is and as double precision has it, and the three tokens."""
    from matplotlib import colormaps  # workers do not draw
    from matplotlib.figure import Figure

    drawing = Figure(figsize=(11.6, 7.6), layout="constrained")
    (raw, rescaled), (of_p, of_three) = drawing.subplots(2, 2)
    colours = colormaps["viridis"](np.linspace(0.0, 0.92, len(summary["rows"])))
    for colour, row in zip(colours, summary["rows"], strict=True):
        times, log_b = np.array(row["times"]), np.array(row["log_b"])
        style = {"color": colour, "lw": 1.4, "label": f"$\\varepsilon$ = {row['eps']:g}"}
        raw.plot(times, log_b / np.log(10), **style)
        rescaled.plot(times, (log_b - times) / np.log(10), **style)
        rescaled.axhline(row["log_w_formula"] / np.log(10), color=colour, ls=":", lw=0.9)
        of_p.plot(times, expit(2 * np.exp(2 * log_b)), **style)
        of_p.plot(row["direct_times"], row["direct_p11"], ".", color=colour, ms=3.5)
    of_p.plot([], [], ".", color="0.4", ms=3.5, label="from x, in doubles")
    raw.set_ylabel("$\\log_{10} b$")
    raw.set_title("raw: $x = (e^t, \\pm b)$, the tokens move apart")
    rescaled.set_title("rescaled: $z = (1, \\pm b e^{-t})$, with its limit (dotted)")
    rescaled.set_ylabel("$\\log_{10} (b e^{-t})$")
    of_p.set_ylabel("$P_{11}$")
    of_p.set_title("$P_{11}$ tends to 1: P to the identity")
    for axes in (raw, rescaled, of_p):
        axes.set_xlabel("depth t")
        axes.grid(alpha=0.3)
    drawing.legend(*of_p.get_legend_handles_labels(), fontsize=8.5, loc="outside right center", frameon=False)
    shown = summary["three"][0]
    tokens, limit = np.array(shown["tokens"]), np.array(shown["limit"])
    of_three.plot(*tokens.T, "o", mfc="w", mec="0.3", label="t = 0")
    of_three.plot(*limit.T, "o", color="C3", label="limit")
    for start, end in zip(tokens, limit, strict=True):
        of_three.annotate("", end, start, arrowprops={"arrowstyle": "->", "color": "0.5", "lw": 1, "shrinkA": 5})
    of_three.set_title(f"three tokens, rescaled: {shown['clusters']} clusters, rank P* = {shown['rank']}")
    of_three.axhline(0, color="0.8", lw=0.8, zorder=0)
    of_three.set_aspect("equal", "datalim")
    of_three.legend(fontsize=8, loc="upper left")
    of_three.grid(alpha=0.3)
    drawing.suptitle("Remark 7.9: two tokens part at last; three may gather in three places with a matrix of rank 2")
    return drawing
