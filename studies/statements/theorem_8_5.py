"""V = -I, B = I: every token falls to the origin (Theorem 8.5), and how fast.

    x_i' = -sum_j P_ij x_j,    P_ij = e^<x_i,x_j> / R_i,    R_i = sum_j e^<x_i,x_j>                          (8.25)

Near the origin the softmax is expanded in cumulants: with m the mean, C the covariance and T the third central moments
of the tokens, sum_j P_ij x_j = m + C x_i + T[x_i, x_i]/2 + ..., and

    C' = -2 C^2 + ...,   so that C^{-1} = 2t + O(log t) on the span of the differences: 2t C -> identity there,
    x_i - m = C^{1/2} xi_i + ..., xi_i constant: |x_i| falls like |xi_i| (2t)^{-1/2}, and no faster,
    m' = -m - T:C/2 + ...,  so that the mean, which alone would fall like e^{-t}, follows -T:C/2, of order t^{-5/2}.

For L = sum_ij e^<x_i,x_j>, dL/dt = -2 sum_i R_i |x_i'|^2 gives, divided by L and integrated, the identity

    int_0^t sum_i (R_i / L) |x_i'|^2 ds = (log L(0) - log L(t)) / 2,

which has no large numbers in it and is checked beside Lemma 8.9's own bound on int |x_i'|^2. In Lemma 8.7's proof the
tokens with <x_i, x_k> < 0 add at most 1/e each, not 1, so that the radius sqrt(2n) may be replaced by
sqrt(W((n - 1)/e)), W being Lambert's function.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import Field
from scipy.optimize import minimize
from scipy.special import lambertw, logsumexp

from particles.checks import Array
from particles.march import FINISHED, march
from particles.steppers import Adaptive
from studies.contract import StudyConfig
from studies.statements import verdict
from studies.statements.verdict import Verdict
from studies.text_table import text_table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_STEPPER = Adaptive(rtol=1e-10, atol=1e-13)
_SLACK = 1e-8  # of sizes up to 10: a hundred times the stepper's tolerance, for what its steps add up to

# (n, d, half width of the box, box); tokens uniform on [-w, w]^d or, one-sided, on [0, w]^d
KINDS = (
    (40, 2, 5.0, "symmetric"),
    (2, 1, 5.0, "symmetric"),
    (40, 1, 5.0, "one-sided"),
    (5, 3, 2.0, "symmetric"),
    (10, 2, 0.3, "symmetric"),
    (40, 3, 5.0, "symmetric"),
    (3, 3, 5.0, "one-sided"),
    (100, 2, 1.0, "one-sided"),
)
# (n, d, size): where configurations that stand still are looked for, |x| being `size` for the farthest token
SIZES = ((2, 1, 0.3), (3, 2, 0.3), (5, 1, 1.0), (4, 2, 1.0), (3, 1, 2.0), (6, 2, 2.0))


class Config(StudyConfig):
    """Sizes of the study of Theorem 8.5."""

    draws: int = Field(8, ge=1)
    depth: float = Field(1000.0, ge=100)
    times: int = Field(41, ge=21)
    searches: int = Field(3, ge=1)

    @classmethod
    def full(cls, seed: int = 0) -> Config:
        """Return the size a paper would print."""
        return cls(seed=seed, draws=120, depth=3000.0, times=81, searches=30)


def cases(config: Config) -> list[dict[str, Any]]:
    """Return a case for each draw of tokens, and one for each size at which the field is made as small as it gets."""
    runs = [
        {"task": "run", "kind": k % len(KINDS), "depth": config.depth, "times": config.times, "seed": [config.seed, k]}
        for k in range(config.draws)
    ]
    hunts = [
        {"task": "search", "size": k, "starts": config.searches, "seed": [config.seed, 85, k]}
        for k in range(len(SIZES))
    ]
    return [*runs, *hunts]


def run_case(case: dict[str, Any]) -> dict[str, Any]:
    """Return the course of one draw, or the smallest field found at one size."""
    rng = np.random.default_rng(case["seed"])
    return _run(case, rng) if case["task"] == "run" else _search(case, rng)


def _field(x: Array) -> tuple[Array, Array]:
    """Return x' of (8.25) and log R."""
    terms = x @ x.T
    largest = terms.max(axis=1)
    np.exp(terms - largest[:, None], out=terms)
    sums = terms.sum(axis=1)
    return -(terms @ x) / sums[:, None], largest + np.log(sums)


def _run(case: dict[str, Any], rng: np.random.Generator) -> dict[str, Any]:
    n, d, width, box = KINDS[case["kind"]]
    x = rng.uniform(-width if box == "symmetric" else 0.0, width, (n, d))
    times = np.concatenate([[0.0], np.geomspace(case["depth"] / 1e5, case["depth"], case["times"] - 1)])

    def velocity(t: float, state: Array) -> Array:
        """Motion, |x_i'|^2 and its share (R_i / L) |x_i'|^2: the last two are integrated along."""
        fields, log_sums = _field(state[:, :d])
        squares = (fields**2).sum(axis=1, keepdims=True)
        shares = np.exp(log_sums - log_sums.max())[:, None]
        return np.hstack([fields, squares, squares * (shares / shares.sum())])

    run = march(velocity, np.column_stack([x, np.zeros((n, 2))]), times, _STEPPER)
    states = np.stack(run.states)
    points, integrals = states[:, :, :d], states[-1, :, d]
    sizes = np.linalg.norm(points, axis=2)
    exponents = [at @ at.T for at in points]
    log_l = np.array([logsumexp(e) for e in exponents])
    weights = [np.exp(e - logsumexp(e, axis=1)[:, None]) for e in exponents]
    mean, slaved = points[-1].mean(axis=0), _slaved_mean(points[-1])
    return {
        "n": n,
        "d": d,
        "finished": run.status == FINISHED,
        "times": run.times,
        "sizes": sizes,
        "log_l": log_l,
        "uneven": np.array([n * np.abs(P - 1 / n).max() for P in weights]),
        "spectra": np.array([_spectrum(at) for at in points]),
        "least_product": float(min(e.min() for e in exponents)),
        "largest_integral": float(integrals.max()),
        "identity": float(abs(2 * states[-1, :, d + 1].sum() / (log_l[0] - log_l[-1]) - 1)),
        "mean": float(np.linalg.norm(mean)),
        "slaved": float(np.linalg.norm(slaved)),
        "mean_error": float(np.linalg.norm(mean - slaved)),
    }


def _spectrum(x: Array) -> Array:
    """Return the eigenvalues of the covariance on the span of the differences, increasing."""
    n, d = x.shape
    singular = np.linalg.svd(x - x.mean(axis=0), compute_uv=False)
    return np.sort(singular[: min(d, n - 1)] ** 2 / n)


def _slaved_mean(x: Array) -> Array:
    """Return -T:C/2."""
    apart = x - x.mean(axis=0)
    cov = apart.T @ apart / len(x)
    return -0.5 * np.einsum("ib,bc,ic,ia->a", apart, cov, apart, apart) / len(x)


def _search(case: dict[str, Any], rng: np.random.Generator) -> dict[str, Any]:
    """Make max_i |x_i'| as small as it gets while the farthest token stays at the given distance."""
    n, d, size = SIZES[case["size"]]

    def shape(free: Array) -> Array:
        x = free.reshape(n, d)
        return size * x / np.linalg.norm(x, axis=1).max()

    def speed(free: Array) -> float:
        return float(np.linalg.norm(_field(shape(free))[0], axis=1).max())

    found = []
    for _ in range(case["starts"]):
        start = rng.standard_normal(n * d)
        options = {"maxiter": 60 * n * d, "xatol": 1e-5, "fatol": 1e-9}
        found.append(float(minimize(speed, start, method="Nelder-Mead", options=options).fun))
    return {"n": n, "d": d, "size": size, "speeds": found}


def summary(config: Config, results: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the rows of all draws, what each lemma came to, and the verdicts."""
    rows = [_row(result) for result in results if "times" in result]
    searches = [
        {
            **{key: result[key] for key in ("n", "d", "size")},
            "least": min(result["speeds"]),
            "starts": len(result["speeds"]),
        }
        for result in results
        if "speeds" in result
    ]
    for found in searches:
        found["scaled"] = found["least"] * found["n"] / found["size"] ** 3
    return {
        "rows": rows,
        "sizes": np.asarray(results[0]["sizes"]).tolist(),  # of the first draw, to be drawn
        "searches": searches,
        "verdicts": [v.record() for v in _verdicts(rows, searches, config.depth)],
        "headline": {
            "slopes of max |x_i| over the last decade": [f(row["slope"] for row in rows) for f in (min, max)],
            "largest |rate/2 - 1| of C^-1 over the last decade": max(row["rate_error"] for row in rows),
            "largest error of the identity of L": max(row["identity"] for row in rows),
            "largest |x_i(t)| / max(|x_i(0)|, sqrt(2n))": max(row["ratio_87"] for row in rows),
            "largest |x_i(t)| / max(|x_i(0)|, sqrt W((n-1)/e))": max(row["ratio_sharp"] for row in rows),
            "largest n max |P_ij - 1/n| at the end": max(row["uneven"][-1] for row in rows),
            "least field found at a fixed size, times n over its cube": min(found["scaled"] for found in searches),
        },
    }


def _row(result: dict[str, Any]) -> dict[str, Any]:
    times, sizes, n = np.asarray(result["times"]), np.asarray(result["sizes"]), result["n"]
    spectra, log_l = np.asarray(result["spectra"]), np.asarray(result["log_l"])
    largest = sizes.max(axis=1)
    last = times >= times[-1] / 10
    k = int(np.argmax(last))
    rates = (1 / spectra[-1] - 1 / spectra[k]) / (times[-1] - times[k])
    sharp = float(np.sqrt(lambertw((n - 1) / np.e).real))
    inside = sizes[0] < sharp
    bound = float(-result["least_product"] + log_l[0] + np.log1p(-np.exp(2 * np.log(n) - log_l[0])))
    return {
        **{key: result[key] for key in ("n", "d", "finished", "identity", "mean", "slaved", "mean_error")},
        "times": times.tolist(),
        "largest": largest.tolist(),
        "excess_log_l": (log_l - 2 * np.log(n)).tolist(),
        "uneven": np.asarray(result["uneven"]).tolist(),
        "scaled_spectra": (2 * times[:, None] * spectra).tolist(),
        "slope": float(np.polyfit(np.log(times[last]), np.log(largest[last]), 1)[0]),
        "spans": spectra.shape[1] == result["d"],
        "falling": bool((np.diff(largest[last]) < 0).all()),
        "rate_error": float(np.abs(rates / 2 - 1).max()),
        "ratio_87": float((sizes.max(axis=0) / np.maximum(sizes[0], np.sqrt(2 * n))).max()),
        "ratio_sharp": float((sizes.max(axis=0) / np.maximum(sizes[0], sharp)).max()),
        "grown": float((sizes.max(axis=0)[inside] / sharp).max()) if inside.any() else None,
        "largest_rise_log_l": float(np.diff(log_l).max()),
        "log_integral": float(np.log(result["largest_integral"])),
        "log_bound_89": bound,
    }


def _verdicts(rows: list[dict[str, Any]], searches: list[dict[str, Any]], depth: float) -> list[Verdict]:
    """Judge each statement in each draw."""

    def each(holds: Any) -> list[bool | None]:
        return [bool(holds(row)) if row["finished"] else None for row in rows]

    # T^-1 log T, the order of the first correction, is below 0.01 at T = 1000, and 0.05 at 100
    allowed = 2 * np.log(depth) / depth
    falls = each(lambda row: row["falling"] and row["rate_error"] < allowed)
    first = [row["largest"][0] for row in rows]
    last = [row["largest"][-1] for row in rows]
    rate = max(row["rate_error"] for row in rows)
    slopes = [row["slope"] for row in rows]
    flat = [row for row in rows if not row["spans"]]
    rise = max(max(row["largest_rise_log_l"] for row in rows), 0.0)
    generic = [row for row in rows if row["slaved"] > 1e-10]
    grown = [row["grown"] for row in rows if row["grown"] is not None]
    mean = max((row["mean_error"] / row["slaved"] for row in generic), default=float("nan"))
    fields = min(found["scaled"] for found in searches)
    gap = min(row["log_bound_89"] - row["log_integral"] for row in rows)
    return [
        Verdict.of(
            "Theorem 8.5",
            "V = -I, Q^T K = I: |x_i(t)| -> 0 for every token.",
            f"From t = 0 to {depth:g} the largest |x_i| falls from {min(first):.2g}-{max(first):.2g} to "
            f"{min(last):.2g}-{max(last):.2g}, as t^s with s between {min(slopes):.4f} and {max(slopes):.4f} over the "
            "last decade: not exponentially, but like (2t)^(-1/2). The inverse covariance grows at the rate 2 in "
            f"every direction of the span of the differences, to a relative {rate:.1e}, so 2t cov(x) -> I on it, "
            f"whatever the start; in {len(flat)} of {len(rows)} draws that is less than R^d (n <= d). The mean follows "
            f"-T:C/2, t^(-5/2), to {mean:.1e}.",
            falls,
        ),
        Verdict.of(
            "Remark 8.6",
            "P_ij(t) -> 1/n for all i, j.",
            f"n |P_ij - 1/n| is at most {max(row['uneven'][-1] for row in rows):.2g} at t = {depth:g}, within "
            "e^(2 max|x|^2) - 1 of 0, and falls like 1/t.",
            each(lambda row: row["uneven"][-1] <= np.expm1(2 * row["largest"][-1] ** 2) and row["uneven"][-1] < 0.1),
        ),
        Verdict.of(
            "Lemma 8.7",
            "|x_i(t)| <= R for all t, R depending on n and the initial tokens only: by the proof the larger of "
            "|x_i(0)| and sqrt(2n).",
            f"The largest ratio of the two sides is {max(row['ratio_87'] for row in rows):.4f}, and "
            f"{max(row['ratio_sharp'] for row in rows):.4f} with sqrt(W((n-1)/e)) for sqrt(2n), to which the "
            f"same proof sharpens; tokens that start inside that smaller radius reach {max(grown, default=0.0):.2f} "
            "of it.",
            each(lambda row: max(row["ratio_87"], row["ratio_sharp"]) <= 1 + _SLACK),
        ),
        Verdict.of(
            "Lemma 8.8",
            "The origin is the only configuration that stands still.",
            f"In {sum(found['starts'] for found in searches)} minimisations of max |x_i'| with the farthest token held "
            f"at a distance r between 0.3 and 2, the least is {fields:.3f} r^3/n, not 0.",
            [found["least"] > 0.01 * found["size"] ** 3 / found["n"] for found in searches],
        ),
        Verdict.of(
            "Lemma 8.9",
            "L = sum_ij e^<x_i,x_j> never grows, and int |x_i'|^2 dt is finite, at most e^(-R)(L(0) - L(inf)).",
            f"{f'log L rises by at most {rise:.1g}' if rise else 'log L never rises'} between two times; "
            f"the integral lies below the bound by a factor of at least e^{gap:.1f}; and the identity "
            "2 int sum_i (R_i/L)|x_i'|^2 = log L(0) - log L(t), which is sharp, holds to a relative "
            f"{max(row['identity'] for row in rows):.1e}.",
            each(
                lambda row: (
                    row["largest_rise_log_l"] <= _SLACK
                    and row["log_integral"] <= row["log_bound_89"]
                    and row["identity"] < 1e-6
                )
            ),
        ),
    ]


def table(summary: dict[str, Any]) -> str:
    """Return the verdicts, and a row for each draw."""
    heading = ["draw", "n", "d", "max |x| first", "last", "slope", "rate/2 - 1", "n|P - 1/n|", "mean", "-T:C/2"]
    rows = [
        [
            str(k),
            str(row["n"]),
            str(row["d"]),
            *(f"{row['largest'][j]:.4f}" for j in (0, -1)),
            f"{row['slope']:.4f}",
            f"{row['rate_error']:.1e}",
            f"{row['uneven'][-1]:.1e}",
            f"{row['mean']:.2e}",
            f"{row['slaved']:.2e}",
        ]
        for k, row in enumerate(summary["rows"])
    ]
    hunted = [
        [f"n = {found['n']}, d = {found['d']}", f"{found['size']:g}", f"{found['least']:.4g}", f"{found['scaled']:.3f}"]
        for found in summary["searches"]
    ]
    hunts = text_table(["least max |x_i'|", "r", "found", "in r^3/n"], hunted)
    return "\n".join([verdict.table(summary), text_table(heading, rows), hunts])


def figure(summary: dict[str, Any]) -> Figure:
    """Return |x_i| of one draw, and 2t cov(x), P and L of all."""
    from matplotlib.figure import Figure  # workers do not draw

    drawing = Figure(figsize=(10, 7.4), layout="constrained")
    (of_tokens, of_cov), (of_p, of_l) = drawing.subplots(2, 2, sharex=True)
    rows = summary["rows"]
    times = np.array(rows[0]["times"])[1:]
    sizes = np.array(summary["sizes"])[1:]
    of_tokens.loglog(times, sizes, color="C0", lw=0.7, alpha=0.7)
    late = times > 3
    of_tokens.loglog(times[late], (2 * times[late]) ** -0.5, "k--", lw=1.4, label="$(2t)^{-1/2}$")
    of_tokens.set_title(f"every token of one draw, n = {rows[0]['n']}, d = {rows[0]['d']}")
    of_tokens.set_ylabel("$|x_i|$")
    of_tokens.legend()
    seen = set()
    for row in sorted(rows, key=lambda row: row["d"]):
        color = f"C{row['d']}"
        label = None if row["d"] in seen else f"d = {row['d']}"
        seen.add(row["d"])
        of_cov.loglog(times, np.array(row["scaled_spectra"])[1:], color=color, lw=0.8, alpha=0.7)
        of_p.loglog(times, np.array(row["uneven"])[1:], color=color, lw=0.9, alpha=0.8, label=label)
        of_l.loglog(times, np.maximum(np.array(row["excess_log_l"])[1:], 1e-12), color=color, lw=0.9, alpha=0.8)
    of_cov.axhline(1, color="k", ls="--", lw=1.2)
    top = max(np.max(row["scaled_spectra"]) for row in rows)
    of_cov.set_ylim(1e-2, 2 * top)
    of_cov.set_title("eigenvalues of $2t\\,\\mathrm{cov}(x)$, all draws")
    of_p.loglog(times[late], 3 / times[late], "k:", lw=1.2, label="slope -1")
    of_p.set_title("Remark 8.6: $n\\,\\max|P_{ij} - 1/n|$")
    of_p.legend(loc="lower left")
    of_l.loglog(times[late], 0.5 / times[late] ** 2, "k:", lw=1.2, label="slope -2")
    of_l.set_title("Lemma 8.9: $\\log(L/n^2)$")
    of_l.legend(loc="lower left")
    for axes in (of_p, of_l):
        axes.set_xlabel("depth t")
    for axes in drawing.axes:
        axes.grid(alpha=0.3)
    drawing.suptitle("Theorem 8.5: V = -I, all tokens fall to the origin like $(2t)^{-1/2}$")
    return drawing
