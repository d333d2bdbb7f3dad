"""The picture of Remark 3.2."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from studies.statements.remark_3_2.runs import FAMILIES

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def figure(summary: dict[str, Any]) -> Figure:
    """Return distances to the limit, the share of tokens that are clustered, and depths over radii."""
    from matplotlib.figure import Figure  # workers do not draw

    drawing = Figure(figsize=(11.4, 3.9), layout="constrained")
    rates, shares, radii = drawing.subplots(1, 3)
    for k, family in enumerate(FAMILIES):
        own = [row for row in summary["rates"] if row["family"] == family and row["settled"]]
        for j, row in enumerate(own[:6]):
            t = row["value"] * np.array(row["times"])
            rates.semilogy(t, row["farthest"], color=f"C{k}", lw=1.0, label=family if j == 0 else None)
    t = np.linspace(0, 8, 2)
    rates.semilogy(t, np.exp(-t), "k:", lw=1.2, label="e^(-λt)")
    rates.set(
        xlabel="λt", ylabel="largest distance to the limit / at t = 0", title="rate", xlim=(0, 10), ylim=(1e-4, 2)
    )
    rates.legend(fontsize=7.5)
    n = max({row["n"] for row in summary["few"] if row["n"] <= 40} or {summary["few"][0]["n"]})
    for k, row in enumerate(row for row in summary["few"] if row["n"] == n):
        shares.plot(row["times"], row["share"], color=f"C{k}", label=f"radius {row['radius']:g}")
    shares.set(
        xlabel="t", ylabel="share of tokens within 5 % of the width", title=f"V = I, d = 2, n = {n}", xlim=(0, 8)
    )
    shares.legend(fontsize=7.5)
    for k, count in enumerate(sorted({row["n"] for row in summary["few"]})):
        own = [row for row in summary["few"] if row["n"] == count and row["at"][1] is not None]
        radii.plot(
            [row["radius"] for row in own],
            [row["at"][1] for row in own],
            "o-",
            ms=4,
            color=f"C{k}",
            label=f"90 % clustered, n = {count}",
        )
    late = summary["late"]
    if late["depth"] is not None:
        r = np.array(late["radii"])
        radii.plot(r, late["depth"], "ks-", ms=4, label="t*: all leaders certain")
        radii.plot(r, late["depth"][-1] - 2 * np.log(r / r[-1]), "k:", lw=1.1, label="slope -2 in log r")
    radii.set_xscale("log")
    ticks = late["radii"]
    radii.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    radii.set_xticks([], minor=True)
    radii.set(xlabel="radius of the tokens", ylabel="t", title="the modulus", ylim=(0, None))
    radii.legend(fontsize=7.5)
    for axes in (rates, shares, radii):
        axes.grid(alpha=0.3)
    drawing.suptitle("Remark 3.2: how fast tokens gather")
    return drawing
