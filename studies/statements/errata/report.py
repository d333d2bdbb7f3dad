"""From measurements to one verdict for each printed claim, and for what holds instead."""

from __future__ import annotations

from typing import Any

import numpy as np

from studies.statements import verdict
from studies.statements.errata import axes, estimates
from studies.statements.errata.rates import HALF_NORMAL
from studies.statements.verdict import Verdict

_BELOW = 1e-12  # a denominator below 1 - this is not rounding
_ANGLE = 1e-6  # degrees: arccos near 1 knows no better
_CLUSTERED = 1e-3  # of the distance of two clusters: narrower ones are one value
_HALF_DIGIT = 0.0051  # of what is printed with two decimals
_STEADY = 0.01  # slope of a logarithm of the speed over depth, below which it does not grow
_BELOW_ROUNDING = float(np.log(np.finfo(float).eps))


def summary(config: Any, results: list[dict[str, Any]]) -> dict[str, Any]:
    """Return verdicts, all numbers by item, and the headline."""
    from studies.statements.errata import cases

    items: dict[str, list[dict[str, Any]]] = {}
    for case, result in zip(cases(config), results, strict=True):
        items.setdefault(case["item"], []).append(result)
    counter, drawn = items["counterexample"][0], items["estimates"][0]
    pairs, speeds, tokens = items["axes"], items["speed"], items["two tokens"][0]["rows"]
    one, two = items["rates"]
    weak = items["weak form"][0]
    expected = float(config.gap * HALF_NORMAL * (4 * two["sizes"][-1]) ** -0.25)
    found = [
        *_estimates(counter, drawn),
        *_axes(pairs),
        *_depths(speeds, weak, tokens),
        _rates(one, two, expected),
    ]
    ratios = {key: [float(np.min(drawn[key])), float(np.max(drawn[key]))] for key in drawn}
    return {
        "verdicts": [verdict.record() for verdict in found],
        "rows": [{"item": item, **result} for item in ("axes", "speed", "rates") for result in items[item]],
        "counterexample": counter,
        "estimates": ratios,
        "weak_form": weak,
        "two_tokens": tokens,
        "headline": {
            "slope_of_the_counterexample": counter["slope"],
            "ratio_at_the_smallest": counter["everywhere"][-1],
            "denominators_below_1": float(np.mean(drawn["denominator"] < 1 - _BELOW)),
            "angles": {str(row["figure"]): row["angle"] for row in pairs},
            "late_width_left": {str(row["figure"]): row["left_late"] for row in pairs},
            "late_width_right": {str(row["figure"]): row["right_late"] for row in pairs},
            "speed_slopes": {row["name"]: row["slope"] for row in speeds},
            "log10_beta": {str(row["height"]): row["log_beta"] / float(np.log(10)) for row in tokens},
            "rate_one_piece": one["slope"],
            "rate_two_pieces": two["slope"],
            "two_pieces_over_expected": two["W2"][-1] / expected,
        },
    }


def _estimates(counter: dict[str, Any], drawn: dict[str, Any]) -> list[Verdict]:
    least = float(np.min(drawn["denominator"]))
    return [
        Verdict.of(
            "(6.5) as printed",
            "The fields of mu and nu differ by at most C_R W2(mu, nu), with the supremum over all of R^d.",
            f"For mu = (1 - e) delta_0 + e delta_1 and nu = delta_0 the ratio is e^{counter['slope']:.3f}, "
            f"{counter['everywhere'][-1]:.3g} at e = {counter['shares'][-1]:.0e}: no constant bounds it.",
            [counter["slope"] > -0.25],
        ),
        Verdict.of(
            "(6.5) on |x| <= R",
            "Not said by the paper: the same with the supremum over the ball, at most e^{2M} (1 + 2M) |V| W1(mu, nu), "
            "M = |Q||K| R^2.",
            f"The largest ratio of both sides is {float(np.max(drawn['6.5'])):.3f}; for the counterexample on |x| <= 1 "
            f"the fields differ by at most {max(counter['in_ball']):.3f} W2.",
            estimates.held(drawn["6.5"]),
        ),
        Verdict.of(
            "Cor. 6.6, denominators",
            "int exp(<Qx, Ky>) dmu(y) is at least 1 for |x| <= R.",
            f"It is below 1 on one side of 0 unless B maps the mean of mu to 0; the least one drawn is {least:.3g}.",
            [bool(value >= 1 - _BELOW) for value in drawn["denominator"]],
        ),
        Verdict.of(
            "Cor. 6.6 with e^{-M} for 1",
            "Not said by the paper: the denominators are at least e^{-M}, and (6.3), (6.4) hold with |V||B| R^2 and "
            "|V| R.",
            f"Largest ratios of both sides: {float(np.max(drawn['over_bound'])):.3f} (of logarithms), "
            f"{float(np.max(drawn['6.3'])):.3f}, {float(np.max(drawn['6.4'])):.3f}.",
            [
                all(held)
                for held in zip(*(estimates.held(drawn[key]) for key in ("over_bound", "6.3", "6.4")), strict=True)
            ],
        ),
    ]


def _axes(rows: list[dict[str, Any]]) -> list[Verdict]:
    by = {row["figure"]: row for row in rows}
    angles = ", ".join(f"{row['angle']:.1f} degrees (Fig. {row['figure']})" for row in rows)
    widths = ", ".join(f"Fig. {row['figure']}: {row['right_late']:.1e} against {row['left_late']:.1e}" for row in rows)
    vectors = {number: axes.beside(v, by[number]["right"]) for number, v in axes.PRINTED_VECTORS.items()}
    listed = "; ".join(_printed(number, v, vectors[number]) for number, v in axes.PRINTED_VECTORS.items())
    worst = max(v.rescaled for v in vectors.values())
    spectra = {number: [complex(*pair) for pair in row["eigenvalues"]] for number, row in by.items()}
    return [
        Verdict.of(
            "Fig. 6, V symmetric",
            "V is a random symmetric matrix.",
            f"The published V has entries {by[6]['asymmetry']:.3f} apart across its diagonal.",
            [by[6]["asymmetry"] < 1e-6],
        ),
        Verdict.of(
            "Figs. 6, 12, 13, hyperplanes perpendicular to phi_1",
            "The hyperplanes are perpendicular to phi_1 since V is diagonalizable.",
            f"They are perpendicular to the left eigenvector, which is {angles} off; V would have to be normal.",
            [row["angle"] < _ANGLE for row in rows],
        ),
        Verdict.of(
            "Section 4, <z_i, phi_1 / |phi_1|>",
            "This coordinate of any token converges to one of at most three values.",
            f"Width of the widest cluster over the clusters' distance at t = {axes.LATE:.0f}, with phi_1 against "
            f"phi_1^*: {widths}. It holds where all real parts are positive and clusters are points (Fig. 12), and "
            "fails where one is negative.",
            [None if row["undecided"] else row["right_late"] < _CLUSTERED for row in rows],
        ),
        Verdict.of(
            "The same with phi_1^*",
            "phi_1^*(z_i) converges to one of at most three values.",
            f"Widths at t = {axes.LATE:.0f}: " + ", ".join(f"{row['left_late']:.1e}" for row in rows) + ".",
            [None if row["undecided"] else row["left_late"] < _CLUSTERED for row in rows],
        ),
        Verdict.of(
            "Figs. 6, 12, 13, printed eigenvalues",
            "The eigenvalues of V in the captions.",
            f"Those of Fig. 12 ({', '.join(_number(z, 'g') for z in axes.PRINTED_EIGENVALUES[12])}) are no real "
            "matrix's; computed: "
            + "; ".join(
                f"Fig. {number}: " + ", ".join(_number(z) for z in values) for number, values in spectra.items()
            )
            + f". In Fig. 12 the leading one is {max(z.real for z in spectra[12]):.2f}, not "
            f"{axes.PRINTED_EIGENVALUES[12][0].real:g}.",
            [
                axes.conjugate_closed(axes.PRINTED_EIGENVALUES[number])
                and _close(axes.PRINTED_EIGENVALUES[number], spectra[number])
                for number in by
            ],
        ),
        Verdict.of(
            "Figs. 6, 12, 13, printed phi_1",
            "phi_1 in the captions, an eigenvector of V.",
            f"Beside the unit eigenvectors: {listed}. As unit vectors they are within {worst:.3f} of eigenvectors, but "
            "of V and not of its transpose: the wrong ones to measure with.",
            [v.rescaled < 2 * _HALF_DIGIT for v in vectors.values()],
        ),
    ]


def _printed(number: int, vector: list[float], beside: axes.Beside) -> str:
    """Say how far a printed vector is from the unit eigenvector."""
    listed = ", ".join(f"{x:g}" for x in vector)
    said = f"Fig. {number}: ({listed}) for ({', '.join(f'{x:.3f}' for x in beside.unit)})"
    length, off = float(np.linalg.norm(vector)), f"{beside.as_printed:.3f} off"
    if abs(length - 1) < _HALF_DIGIT:
        return f"{said}, {off}"
    return f"{said}, of length {length:.3f}, {off} as printed and {beside.rescaled:.3f} as a unit vector"


def _close(printed: list[complex], values: list[complex]) -> bool:
    """Return whether each printed number is that of an eigenvalue to the digits it has."""
    ordered = np.sort_complex(np.array(values))
    return bool(np.abs(np.sort_complex(np.array(printed)) - ordered).max() < 2 * _HALF_DIGIT)


def _number(z: complex, digits: str = ".3f") -> str:
    real = f"{z.real:{digits}}"
    return f"{real} {'+' if z.imag > 0 else '-'} {abs(z.imag):{digits}}i" if z.imag else real


def _depths(speeds: list[dict[str, Any]], weak: dict[str, Any], tokens: list[dict[str, Any]]) -> list[Verdict]:
    by = {row["name"]: row for row in speeds}
    text = "; ".join(f"{name}: {row['slope']:.3f}" for name, row in by.items())
    unseen = [row for row in tokens if row["log_beta"] < _BELOW_ROUNDING]
    shown = unseen[-1] if unseen else tokens[0]
    return [
        Verdict.of(
            "Props. 6.2 and 6.3, Lipschitz in t on R",
            "Solutions are Lipschitz continuous in t, on all of R.",
            f"Slopes of log of the largest speed over depth: {text}. Only the rescaled motion with V = I is, forwards.",
            [row["slope"] < _STEADY for row in speeds],
        ),
        Verdict.of(
            "Def. 6.4, the field under the integral",
            "The weak form integrates <grad g, X[mu_t]> against mu_s over s.",
            f"With X[mu_t] it is off by {weak['printed']:.1e} for g = sin, with X[mu_s] by {weak['now']:.1e}.",
            [weak["printed"] < 1e-8],
        ),
        Verdict.of(
            "Remark 7.9",
            "From (1, +-e) with V = Q = K = I in the plane both tokens tend to (1, 0): a single cluster.",
            f"They move apart, by a factor {min(row['apart'] for row in tokens):.3g} and more until t = 3, and the "
            f"rescaled ones tend to (1, +-beta): for e = {shown['height']:g} beta is "
            f"1e{shown['log_beta'] / np.log(10):.1f}, which no run in double precision can tell from 0.",
            [not (np.isfinite(row["log_beta"]) and row["least_step"] > 0) for row in tokens],
        ),
    ]


def _rates(one: dict[str, Any], two: dict[str, Any], expected: float) -> Verdict:
    return Verdict.of(
        "W2 of n tokens to their law on the line",
        "Not said by the paper: E W2(mu_n, mu) falls like n^{-1/2} in d = 1.",
        f"Slope {one['slope']:.3f} for one piece, {two['slope']:.3f} for two pieces {two['gap']:g} apart (Fournier, "
        f"Guillin: as slow as -1/4), where W2 is {two['W2'][-1] / expected:.3f} of the expected h (4n)^(-1/4) 0.822 at "
        f"n = {two['sizes'][-1]}.",
        [abs(row["slope"] + 0.5) < 0.05 for row in (one, two)],
    )


def table(summary: dict[str, Any]) -> str:
    """Return the verdicts with their numbers."""
    return "\n".join(["Printed claims, and what holds instead", verdict.table(summary)])
