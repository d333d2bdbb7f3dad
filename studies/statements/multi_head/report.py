"""What the runs with several heads say: counts for each number of heads, table and figure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np

from studies.statements import verdict
from studies.statements.multi_head.families import TITLES
from studies.statements.multi_head.verdicts import FORMS, verdicts
from studies.text_table import text_table

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def summary(rows: list[dict[str, Any]], tokens: list[list[float]]) -> dict[str, Any]:
    """Return verdicts and counts."""
    at_rest = [row for row in rows if row["family"] == "polytope"]
    counts = [_count(rows, *key) for key in dict.fromkeys((r["family"], r["form"], r["heads"]) for r in rows)]
    many = [row for row in at_rest if row["heads"] > 1 and not row["undecided"]]
    first = [row for row in at_rest if row["draw"] == 0 and row["form"] == "discrete" and "places" in row]
    return {
        "verdicts": [found.record() for found in verdicts(rows)],
        "rows": [{key: value for key, value in row.items() if key not in ("places", "corners")} for row in rows],
        "counts": counts,
        "shown": {"tokens": tokens, "runs": [{k: row[k] for k in ("heads", "places", "corners")} for row in first]},
        "headline": {
            "largest_difference_to_one_head": max(row["merged"] for row in rows),
            "share_inside": float(np.mean([row["inside"] / row["n"] for row in many])) if many else None,
            "draws_off_vertices": sum(row["off_vertices"] > 0 for row in many),
            "draws_inside": sum(row["inside"] > 0 for row in many),
            "draws_with_companies": sum(row["largest_company"] > 1 for row in many),
            "draws_of_many_heads": len(many),
        },
    }


def _count(rows: list[dict[str, Any]], family: str, form: str, heads: int) -> dict[str, Any]:
    chosen = [r for r in rows if (r["family"], r["form"], r["heads"]) == (family, form, heads)]
    rested = [row for row in chosen if "vertices" in row or row.get("holds")]
    rested += [row for row in chosen if row.get("holds") is False and not row.get("diverges")]
    number = [row["clusters"] for row in rested if "clusters" in row]
    entry: dict[str, Any] = {"family": family, "form": form, "heads": heads, "draws": len(chosen)}
    if number:
        spread = float(np.std(number, ddof=1)) if len(number) > 1 else 0.0
        entry |= {"clusters": float(np.mean(number)), "error": 1.96 * spread / np.sqrt(len(number))}
    if family == "polytope":
        known = [row for row in chosen if not row["undecided"]]
        for key in ("vertices", "off_vertices", "inside"):
            values = [row[key] / (1 if key == "vertices" else row["n"]) for row in known]
            entry[key] = float(np.mean(values)) if values else None
        entry["undecided"] = len(chosen) - len(known)
    else:
        entry["undecided"] = sum(row["holds"] is None for row in chosen)
    return entry


def table(summary: dict[str, Any]) -> str:
    """Return the verdicts, and counts for each family and number of heads."""
    cells = [
        [
            f"{TITLES[row['family']]}, {FORMS[row['form']]}",
            str(row["heads"]),
            str(row["draws"]),
            str(row["undecided"]),
            f"{row['clusters']:.2f}" if "clusters" in row else "",
            *(f"{row[key]:.3f}" if row.get(key) is not None else "" for key in ("vertices", "off_vertices", "inside")),
        ]
        for row in summary["counts"]
    ]
    heading = ["heads", "H", "draws", "undecided", "clusters", "vertices", "off vertices", "inside"]
    return "\n".join([verdict.table(summary), "Means over draws; shares of tokens:", text_table(heading, cells)])


def figure(summary: dict[str, Any]) -> Figure:
    """Return where tokens of one draw come to rest with 1, 2, 4, ... heads, and clusters against heads."""
    from matplotlib.figure import Figure  # workers do not draw

    shown = summary["shown"]
    runs, tokens = shown["runs"][:4], np.array(shown["tokens"])
    drawing = Figure(figsize=(11.0, 6.4), layout="constrained")
    grid = drawing.add_gridspec(2, 4)
    for k, run in enumerate(runs):
        axes = drawing.add_subplot(grid[0, k])
        places, corners = np.array(run["places"]), np.array(run["corners"])
        middle = corners.mean(axis=0)
        around = corners[np.argsort(np.arctan2(*(corners - middle).T[::-1]))]
        axes.fill(*around.T, color="C0", alpha=0.12, lw=0)
        axes.plot(*np.vstack([around, around[:1]]).T, color="C0", lw=1)
        for start, end in zip(tokens, places, strict=True):
            axes.plot(*np.array([start, end]).T, color="0.75", lw=0.5, zorder=1)
        axes.plot(*tokens.T, ".", color="0.45", ms=3)
        rounded, sizes = np.unique(np.round(places, 6), axis=0, return_counts=True)
        axes.scatter(rounded[:, 0], rounded[:, 1], s=14 + 6 * sizes, color="C1", zorder=3)
        axes.set_title(f"H = {run['heads']}: {len(rounded)} clusters", fontsize=10)
        axes.set_aspect("equal")
        axes.tick_params(labelsize=8)
    _shares(drawing.add_subplot(grid[1, :2]), summary)
    axes = drawing.add_subplot(grid[1, 2:])
    for k, (family, title) in enumerate(TITLES.items()):
        rows = [r for r in summary["counts"] if (r["family"], r["form"]) == (family, "discrete") and "clusters" in r]
        if rows:
            at = np.array([row["heads"] for row in rows]) * 1.03 ** (k - 2)
            values, errors = ([row[key] for row in rows] for key in ("clusters", "error"))
            axes.errorbar(
                at, values, yerr=errors, fmt="o-", ms=4, lw=1.1, capsize=2, color=f"C{k}", label=_indexed(title)
            )
    axes.set_xscale("log", base=2)
    axes.set_xticks(
        [row["heads"] for row in summary["counts"] if row["family"] == "polytope" and row["form"] == "discrete"]
    )
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.set(xlabel="heads H", ylabel="clusters (levels for hyperplanes)", ylim=(0, 1.55 * axes.get_ylim()[1]))
    axes.legend(fontsize=8, ncols=2, loc="upper left")
    axes.grid(alpha=0.3)
    drawing.suptitle(
        "Section 12: tokens under H heads, dt = 1; above, $V_h = I/H$: tokens, the limit polytope, resting places"
    )
    return drawing


def _indexed(title: str) -> str:
    """Return a title with its indices set as such."""
    return re.sub(r"\b([VB])_h", r"$\1_h$", title).replace("-I", "\u2212I")


def _shares(axes: Any, summary: dict[str, Any]) -> None:
    """Draw the shares of tokens that do not end at a vertex, and inside the polytope."""
    rows = [
        r
        for r in summary["counts"]
        if (r["family"], r["form"]) == ("polytope", "discrete") and r["off_vertices"] is not None
    ]
    heads = [row["heads"] for row in rows]
    axes.plot(heads, [row["off_vertices"] for row in rows], "o-", color="C1", label="not at a vertex")
    axes.plot(heads, [row["inside"] for row in rows], "s--", color="C3", ms=4, label="inside the polytope")
    axes.set_xscale("log", base=2)
    axes.set_xticks(heads, [str(number) for number in heads])
    axes.minorticks_off()
    axes.set(xlabel="heads H", ylabel="share of tokens", title="$V_h = I/H$, $B_h > 0$")
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
