"""Fig. 9, computed: the set S of a planar limit polytope K, and its neighbourhood S_delta.

    S = {w in K: |w|² = max_j <w, v_j>},   S_delta = {x in K: dist(x, S) <= delta},   V = Q = K = I, n = 40

The paper's figure is drawn by hand. Here K comes from a run, S is exact, and delta_0 is a third of the least distance
of two points of S: then for delta <= delta_0 the neighbourhood has as many components as S has points, at least delta_0
from each other. The start is not the first that came: of the starts run, the one whose points of S are furthest apart
is shown, and those of `PICKED` were found beforehand among the first `SEARCHED` of seed 0, so that the neighbourhood is
large enough to be seen. Picture and table say so. The shading is

    f(x) = max_j <x, v_j> - |x|²,

0 on S and positive elsewhere in K: at late depths tokens outside S_delta move because f is at least gamma delta there
(Claim 2), and that gamma is computed on a grid.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import Field

from particles import Adaptive, Attention, Rescaled, settle, solve
from particles.checks import Array
from particles.geometry import Hull, clusters, limit_points
from studies.contract import StudyConfig
from studies.figures import style
from studies.film import Film
from studies.text_table import text_table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TITLE = "Fig. 9: the set S of limits and its neighbourhood"
BOX = 5.0
FEWEST = 5  # vertices of K, if some start has them
DELTA = 0.9  # of delta_0
SHARES = (1.0, 0.5, 0.25, 0.125)  # of delta_0: where Claim 2 is looked at
PICKED, SEARCHED = (147, 153, 52), 160  # starts of seed 0
LOOKS = {
    "vertex": ("o", "in S, vertex of K"),
    "face": ("s", "in S, inside a side"),
    "origin": ("X", "in S, the origin"),
}


class Config(StudyConfig):
    """Sizes of Fig. 9."""

    n: int = Field(40, ge=3)
    starts: tuple[int, ...] = Field(PICKED, min_length=1)
    depths: int = Field(41, ge=2)
    grid: int = Field(201, ge=11)


def cases(config: Config) -> list[dict[str, Any]]:
    """Return one case for each start."""
    return [
        {"n": config.n, "depths": config.depths, "grid": config.grid, "seed": [config.seed, k]} for k in config.starts
    ]


def run_case(case: dict[str, Any]) -> dict[str, Any]:
    """Return K, S, and the tokens' way there."""
    eye = np.eye(2)
    attention = Attention(Q=eye, K=eye, V=eye)
    tokens = np.random.default_rng(case["seed"]).uniform(-BOX, BOX, (case["n"], 2))
    late = settle(attention, tokens)
    if late.status != "settled":
        return {"settled": False, "message": late.message}
    S = limit_points(late.limit, eye)
    delta = DELTA * S.separation / 3
    last = max(late.depth, float(np.log(np.linalg.norm(late.offsets, axis=1).max() / delta)))  # all are in S_delta
    times = np.linspace(0.0, last, case["depths"])
    early = times[times < late.depth]
    path = np.concatenate(
        [
            solve(Rescaled(attention), tokens, early, stepper=Adaptive(1e-10, 1e-12)).points,
            [late.rescaled(float(t)) for t in times[len(early) :]],
        ]
    )
    corners = late.limit[Hull(late.limit).vertices]
    return {
        "settled": True,
        "depth": late.depth,
        "error": late.error,
        "times": times,
        "path": path,
        "corners": corners,
        "S": S.points,
        "kinds": list(S.kinds),
        "vertices_hold": bool(S.vertex_holds.all()),
        "separation": S.separation,
        "radius": Hull(corners).scale,
        "gamma": _claim_2(corners, S.points, S.separation / 3, case["grid"]),
    }


def excess(x: Array, corners: Array) -> Array:
    """f(x) = max_j <x, v_j> - |x|² at x (m, 2), shape (m,)."""
    return (x @ corners.T).max(axis=1) - (x**2).sum(axis=1)


def _claim_2(corners: Array, S: Array, delta_0: float, grid: int) -> list[float]:
    """Return the least of f / delta in K outside S_delta for each share of delta_0: on a grid, and round each point."""
    axes = [np.linspace(low, high, grid) for low, high in zip(corners.min(axis=0), corners.max(axis=0), strict=True)]
    everywhere = np.stack(np.meshgrid(*axes), axis=-1).reshape(-1, 2)
    angles = np.linspace(0, 2 * np.pi, 4 * grid)
    ring, K = np.column_stack([np.cos(angles), np.sin(angles)]), Hull(corners)
    least = []
    for delta in delta_0 * np.array(SHARES):
        x = np.concatenate([everywhere, *(point + delta * ring for point in S)])
        away = np.linalg.norm(x[:, None] - S, axis=2).min(axis=1) >= delta * (1 - 1e-9)
        x = x[away & (K.slacks(x) >= 0).all(axis=1)]
        least.append(float(excess(x, corners).min() / delta))
    return least


def summary(config: Config, results: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the start whose points of S are furthest apart, with delta_0 and the numbers of Claim 2."""
    known = [k for k, result in enumerate(results) if result["settled"]]
    if not known:
        raise ArithmeticError(f"no start of seed {config.seed} settled; choose another seed")
    many = [k for k in known if len(results[k]["corners"]) >= FEWEST] or known
    best = max(many, key=lambda k: results[k]["separation"] / results[k]["radius"])
    case, shown = cases(config)[best], results[best]
    S, path = np.asarray(shown["S"]), np.asarray(shown["path"])
    delta = DELTA * shown["separation"] / 3
    apart = np.linalg.norm(path[:, :, None] - S, axis=3).min(axis=2)
    outside = np.flatnonzero((apart > delta * (1 + 1e-9)).any(axis=1))
    numbers = {key: np.asarray(shown[key]).tolist() for key in ("times", "path", "corners", "S", "kinds", "gamma")}
    return {
        "seed": case["seed"],
        "chosen_among": SEARCHED if config.seed == 0 and set(config.starts) <= set(PICKED) else len(config.starts),
        "n": config.n,
        "delta_0": shown["separation"] / 3,
        "delta": delta,
        "depth": shown["depth"],
        "inside": np.mean(apart <= delta * (1 + 1e-9), axis=1).tolist(),
        **numbers,
        "headline": {
            "starts_settled": len(known),
            "vertices": shown["kinds"].count("vertex"),
            "inside_sides": shown["kinds"].count("face"),
            "origin": shown["kinds"].count("origin"),
            "vertices_in_S": shown["vertices_hold"],
            "components": int(clusters(S, 2 * delta).max()) + 1,
            "least_gamma": min(shown["gamma"]),
            "all_in_S_delta_from": float(shown["times"][outside[-1] + 1 if len(outside) else 0]),
        },
    }


def table(summary: dict[str, Any]) -> str:
    """Return S point by point, and the numbers of S_delta."""
    rows = [
        [
            LOOKS[kind][1],
            f"({style.signed(x, 5)}, {style.signed(y, 5)})",
            f"{excess(np.array([[x, y]]), _corners(summary))[0]:.1e}",
        ]
        for kind, (x, y) in zip(summary["kinds"], summary["S"], strict=True)
    ]
    found = summary["headline"]
    gammas = ", ".join(f"{g:.3f}" for g in summary["gamma"])
    return "\n".join(
        [
            f"{TITLE}; n = {summary['n']}, seed {summary['seed']}, t* = {summary['depth']:g}",
            _choice(summary),
            text_table(["point", "at", "f"], rows),
            f"delta_0 = {summary['delta_0']:.4f}",
            f"S_delta with delta = {summary['delta']:.4f} has {found['components']} components",
            f"least of f / delta outside S_delta, delta = 1, 1/2, 1/4, 1/8 of delta_0: {gammas}",
            f"all tokens are in S_delta from t = {found['all_in_S_delta_from']:.2f} on",
        ]
    )


def figure(summary: dict[str, Any]) -> Figure:
    """Return S with its neighbourhood, and the tokens' way into it."""
    note = (
        f"n = {summary['n']}, V = Q = K = I, uniform on [\u22125, 5]\u00b2, seed {summary['seed']}; {_choice(summary)}"
    )
    drawing = style.sheet(10.4, 5.2, note)
    left, right = drawing.subplots(1, 2, sharex=True, sharey=True)
    shading = _polytope(left, summary, summary["delta"], shaded=True)
    bar = drawing.colorbar(shading, ax=left, shrink=0.75, pad=0.01)
    bar.set_ticks(np.arange(0, shading.levels[-1], 1.0).tolist())
    bar.set_label(r"$f(x) = \max_j \langle x, v_j\rangle - |x|^2$", fontsize=style.LABEL)
    bar.ax.tick_params(labelsize=style.TICK)
    style.plain(left, rf"S and $S_\delta$, $\delta = {summary['delta']:.3f} < \delta_0 = {summary['delta_0']:.3f}$")
    _polytope(right, summary, summary["delta"])
    path = np.asarray(summary["path"])
    for i in range(path.shape[1]):
        right.plot(*path[:, i].T, color=style.BLUE, lw=0.8, alpha=0.7, zorder=4)
    right.scatter(*path[0].T, s=12, color=style.BLUE, zorder=5, label="tokens at t = 0, and their ways")
    from_when = summary["headline"]["all_in_S_delta_from"]
    style.plain(right, rf"tokens move into $S_\delta$: all are in it from t = {from_when:.2f} on")
    handles, labels = right.get_legend_handles_labels()
    above: dict[str, Any] = {"loc": "outside upper center", "ncols": 4, "fontsize": style.LABEL, "frameon": False}
    drawing.legend(handles, labels, title=TITLE, title_fontsize=10.5, **above)
    return drawing


def _choice(summary: dict[str, Any]) -> str:
    """Return among how many starts the one shown was chosen, and for what."""
    among = summary["chosen_among"]
    return (
        f"chosen among {among} random starts for a large least distance of points of S" if among > 1 else "not chosen"
    )


def _corners(summary: dict[str, Any]) -> Array:
    return np.asarray(summary["corners"], dtype=float)


def _polytope(axes: Any, summary: dict[str, Any], delta: float, *, shaded: bool = False) -> Any:
    """Draw K, S and S_delta; return the shading by f, if there is one."""
    from matplotlib.patches import Circle, Polygon

    corners, S, kinds = _corners(summary), np.asarray(summary["S"]), np.asarray(summary["kinds"])
    edge = Polygon(
        corners, closed=True, facecolor="none" if shaded else "#eef4f9", edgecolor=style.INK, lw=1.0, zorder=2
    )
    axes.add_patch(edge)
    shading = None
    if shaded:
        low, high = corners.min(axis=0), corners.max(axis=0)
        grid = np.stack(np.meshgrid(*np.linspace(low, high, 160).T), axis=-1)
        f = excess(grid.reshape(-1, 2), corners).reshape(160, 160)
        inside = (Hull(corners).slacks(grid.reshape(-1, 2)) >= -0.05).all(axis=1).reshape(160, 160)
        levels = np.linspace(0, float(f[inside].max()), 15)
        held = np.clip(f, levels[0], levels[-1])  # f >= 0 in K; what lies beyond its edge is cut off
        shading = axes.contourf(*np.moveaxis(grid, -1, 0), held, levels=levels, cmap="Blues", alpha=0.8, zorder=1)
        shading.set_clip_path(edge)
    for point in S:
        ball = Circle(tuple(point), delta, facecolor=style.ORANGE, edgecolor=style.ORANGE, alpha=0.55, zorder=3)
        axes.add_patch(ball)
        ball.set_clip_path(edge)
    for kind, (marker, label) in LOOKS.items():
        if (kinds == kind).any():
            x, y = S[kinds == kind].T
            axes.scatter(x, y, s=42, marker=marker, color=style.GREEN, ec="white", lw=0.6, zorder=6, label=label)
    span = 1.08 * max(BOX, float(np.abs(corners).max()))
    axes.set(xlim=(-span, span), ylim=(-span, span), aspect="equal")
    return shading


def film(config: Config) -> Film:
    """Return the hull shrinking to K and the tokens moving into S_delta."""
    numbers = summary(config, [run_case(case) for case in cases(config)])
    path, times = np.asarray(numbers["path"]), numbers["times"]

    def draw(k: int) -> Figure:
        drawing = style.frame(
            rf"Fig. 9, t = {times[k]:.2f}: {round(100 * numbers['inside'][k])} % of the tokens in $S_\delta$"
        )
        axes = drawing.add_subplot()
        axes.tick_params(labelsize=style.TICK)
        _polytope(axes, numbers, numbers["delta"])
        outline = Hull(path[k]).vertices
        axes.plot(*path[k][[*outline, outline[0]]].T, color=style.VERMILION, lw=1.0, zorder=4)
        axes.scatter(path[k][:, 0], path[k][:, 1], s=12, color=style.BLUE, zorder=7)
        return drawing

    return Film(len(times), draw)
