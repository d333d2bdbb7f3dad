"""The study's numbers as tables of text, whose rows the documentation shares."""

from __future__ import annotations

from typing import Any

from studies.convergence.starts import STARTS
from studies.text_table import text_table

SLOPES = (
    "quantity, start",
    "d, t",
    "n",
    "replicas",
    "rms, first n",
    "rms, last n",
    "slope",
    "95 % interval",
    "theory",
    "resolution",
)
FACTORS = ("quadrature", "d, t", "nodes along an axis", "first", "last", "divided by, per node", "last power")
GROWTH = (
    "d, t",
    "replicas",
    "mean",
    "largest",
    "bounded",
    "largest of them",
    "its sharp bound",
    "a posteriori",
    "log a priori",
    "bounds",
)
LOGS = ("t", "a", "95 % interval", "known")
NAMES = {"W2": "W2", "field": "field error", "along": "nodes from the limit's flow"}


def slope_cells(row: dict[str, Any]) -> list[str]:
    """Return a fitted row as the cells of a table.

    The last says for W2 what the slope is at the ends between which the limit's atoms leave it, for the field error by
    how much at most the supremum is larger over twice as many points along each axis.
    """
    interval, ends = row.get("slope_interval"), row.get("ends")
    resolution = "exact" if ends is None else "[{:.3f}, {:.3f}]".format(*sorted(ends))
    if "finer" in row:
        resolution = f"+{100 * row['finer']:.2f} %"
    return [
        f"{NAMES[row['quantity']]}, {row['start']}",
        f"{row['dim']}, {row['time']:g}",
        f"{row['n'][0]}-{row['n'][-1]}",
        _span(row["replicas"]) + ("+" if row.get("capped") else ""),
        f"{row['rms'][0]:.2e}",
        f"{row['rms'][-1]:.2e}",
        f"{row['slope']:.3f}",
        "" if interval is None else "[{:.3f}, {:.3f}]".format(*interval),
        f"{row['theory_slope']:.3f}",
        resolution,
    ]


def log_cells(row: dict[str, Any]) -> list[str]:
    """Return the factor of log n in the plane as the cells of a table."""
    known = "" if row["log_known"] is None else f"{row['log_known']:.4f}"
    return [f"{row['time']:g}", f"{row['log_factor']:.3f}", "[{:.3f}, {:.3f}]".format(*row["log_interval"]), known]


def factor_cells(row: dict[str, Any]) -> list[str]:
    """Return a geometric row as the cells of a table."""
    sides = [round(n ** (1 / row["dim"])) for n in row["n"]]
    return [
        NAMES[row["quantity"]],
        f"{row['dim']}, {row['time']:g}",
        f"{sides[0]}-{sides[-1]}",
        f"{row['rms'][0]:.1e}",
        f"{row['rms'][-1]:.1e}",
        "" if row["factor"] is None else f"{row['factor']:.1f}",
        f"{row['powers'][-1]:.0f}" if row["powers"] else "",
    ]


def growth_cells(row: dict[str, Any], k: int) -> list[str]:
    """Return the growth in one dimension at one depth as the cells of a table."""
    measured = [own[k] for own in row["measured"]]
    worst = max(range(len(measured)), key=measured.__getitem__)
    return [
        f"{row['dim']}, {row['times'][k]:g}",
        str(row["replicas"]),
        f"{row['mean'][k]:.2f}",
        f"{row['largest'][k]:.2f}",
        str(len(measured)),
        f"{measured[worst]:.2f}",
        f"{row['sharp'][worst][k]:.2f}",
        f"{row['a_posteriori'][worst][k]:.2f}",
        f"{row['a_priori_exponent'][k]:.1e}",
        "hold" if row["holds"] else "FAIL",
    ]


def parts(summary: dict[str, Any]) -> list[tuple[str, tuple[str, ...], list[list[str]]]]:
    """Return the tables: title, heading and rows of each."""
    fitted = [row for row in summary["rows"] if "slope" in row]
    # a coupling that has not moved yet is the identity
    geometric = [
        row for row in summary["rows"] if "slope" not in row and (row["quantity"] != "along" or row["time"] > 0)
    ]
    ordered = sorted(fitted, key=_place)
    depths = [(row, k) for row in summary["growth"] for k in range(1, len(row["times"]))]
    logs = [row for row in ordered if "log_factor" in row]
    return [
        ("Slopes of root mean squares in n; +: stopped at the most replicas", SLOPES, list(map(slope_cells, ordered))),
        ("Independent tokens in the plane: n E W2^2 = a log n + b", LOGS, list(map(log_cells, logs))),
        (
            "Quadrature: geometric in the number of nodes along an axis",
            FACTORS,
            list(map(factor_cells, sorted(geometric, key=_place))),
        ),
        ("Growth W2(t)/W2(0) of independent tokens and (6.6)", GROWTH, [growth_cells(row, k) for row, k in depths]),
    ]


def _place(row: dict[str, Any]) -> tuple[int, int, int, float]:
    return list(NAMES).index(row["quantity"]), STARTS.index(row["start"]), row["dim"], row["time"]


def table(summary: dict[str, Any]) -> str:
    """Return all tables as plain text."""
    return "\n\n".join(f"{title}\n{text_table(heading, rows)}" for title, heading, rows in parts(summary))


def _span(counts: list[int]) -> str:
    low, high = min(counts), max(counts)
    return str(low) if low == high else f"{low}-{high}"
