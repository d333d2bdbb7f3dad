"""What the study of leaders says: verdicts, precision and recall with intervals, table and figure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from studies.statements import verdict
from studies.statements.verdict import Verdict
from studies.text_table import text_table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

GUESSES = ("hull", "itself", "attended", "norm", "level")
_PREDICTIONS = (
    "hull: its vertices; itself: tokens that attend to themselves most;\n"
    "attended: tokens to which some token attends most; norm: the largest, as many as lead;\n"
    "level: the largest and the least of the left eigenvector"
)
FEW = 0.25  # of the tokens: what is called few here; the paper gives no number
_GIVEN = ("hidden", "outweighed")


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Return verdicts, and the means for each kind, d and n."""
    random = [row for row in rows if row["kind"] not in _GIVEN]
    groups = [
        _group([row for row in random if (row["kind"], row["d"], row["n"]) == key])
        for key in dict.fromkeys((row["kind"], row["d"], row["n"]) for row in random)
    ]
    hidden = next(row for row in rows if row["kind"] == "hidden")
    plain = ("tokens", "limit")
    return {
        "verdicts": [found.record() for found in _verdicts(rows, random)],
        "rows": [{key: value for key, value in row.items() if key not in plain} for row in rows],
        "groups": groups,
        "hidden": {key: np.asarray(hidden[key]).tolist() for key in (*plain, "leaders")}
        | {"hull": hidden["predicted"]["hull"]},
        "headline": {
            "undecided_draws": sum(row["undecided"] > 0 for row in random),
            "hidden_leads": 3 in hidden["leaders"] and 3 not in hidden["predicted"]["hull"],
            "largest_share_of_leaders": max(group["leaders"] / group["n"] for group in groups),
            "most_leaders_of_good_triples": max(
                (len(r["leaders"]) for r in random if r["kind"] == "good triple"), default=0
            ),
            **{
                f"{name}, {kind}": _scores([row for row in random if row["kind"] == kind], name)
                for kind in ("identity", "good triple")
                for name in GUESSES
                if any(row["kind"] == kind and name in row["predicted"] for row in random)
            },
        },
    }


def _scores(rows: list[dict[str, Any]], name: str) -> dict[str, float]:
    """Return precision and recall, means over draws, each with half the width of a 95 per cent interval."""
    pairs = []
    for row in rows:
        leaders, guess = set(row["leaders"]), set(row["predicted"][name])
        if not row["undecided"] and guess:
            pairs.append((len(leaders & guess) / len(guess), len(leaders & guess) / len(leaders)))
    if not pairs:
        return {}
    means, count = np.mean(pairs, axis=0), len(pairs)
    halves = 1.96 * np.std(pairs, axis=0, ddof=1) / np.sqrt(count) if count > 1 else np.full(2, np.inf)
    halves = np.minimum(halves, 1.0)
    return {
        "precision": float(means[0]),
        "precision_half": float(halves[0]),
        "recall": float(means[1]),
        "recall_half": float(halves[1]),
    }


def _group(rows: list[dict[str, Any]]) -> dict[str, Any]:
    known = [row for row in rows if not row["undecided"]]
    counts = [len(row["leaders"]) for row in known]
    spread = np.std(counts, ddof=1) if len(counts) > 1 else 0.0
    first = rows[0]
    return {
        **{key: first[key] for key in ("kind", "d", "n")},
        "draws": len(rows),
        "undecided": len(rows) - len(known),
        "leaders": float(np.mean(counts)) if counts else 0.0,
        "leaders_half": float(1.96 * spread / np.sqrt(max(1, len(counts)))),
        "largest_following": float(np.mean([row["followers"][0] / row["n"] for row in known])) if known else None,
        "kept": float(np.mean([row["kept"] for row in known])) if known else None,
        "rank": float(np.mean([row["rank"] for row in known])) if known else None,
        "changed": _mean([row["changed"] for row in known]),
        "depth": _mean([row["depth"] for row in known]),
        "scores": {name: _scores(rows, name) for name in GUESSES if name in first["predicted"]},
    }


def _mean(values: list[float | None]) -> float | None:
    some = [value for value in values if value is not None]
    return float(np.mean(some)) if some else None


def _verdicts(rows: list[dict[str, Any]], random: list[dict[str, Any]]) -> list[Verdict]:
    identity = [row for row in random if row["kind"] == "identity"]
    line = [row for row in random if row["d"] == 1]
    triples = [row for row in random if row["kind"] == "good triple"]
    space = [row for row in rows if row["d"] > 1 and row["kind"] in ("identity", "hidden")]
    high = [row for row in identity if row["d"] == max(r["d"] for r in identity)]
    share = np.mean([len(row["leaders"]) / row["n"] for row in high])
    first = [row for row in rows if row["kind"] in ("identity", "outweighed")]
    ranks = np.mean([row["rank"] for row in identity if row["rank"] is not None])
    hidden = next(row for row in rows if row["kind"] == "hidden")
    within = [row for row in space if not row["undecided"] and set(row["leaders"]) - set(row["predicted"]["hull"])]
    found = [
        Verdict.of(
            "Leaders on the line",
            "With d = 1 order is kept, so nobody but the first and the last token can lead (exact).",
            f"Both lead in {sum(len(row['leaders']) == 2 for row in line)} of {len(line)} draws.",
            [_known(row, set(row["leaders"]) <= set(row["predicted"]["hull"])) for row in line],
        ),
        Verdict.of(
            "Theorem 3.1, leaders",
            "With V = I, B > 0 the leaders are the vertices of the limit polytope (exact: a leader alone maximises "
            "<B^T z, .>).",
            "Leaders and vertices are the same tokens, one by one.",
            [_known(row, row["leaders"] == row["limit_vertices"]) for row in rows if row["limit_vertices"] is not None],
        ),
        Verdict.of(
            "Leaders and the initial hull",
            "Not said by the paper: with V = I every leader is a vertex of the initial hull.",
            f"A leader starts within it in {len(within)} of {len(space)} runs with d > 1, of which one is the four "
            "tokens built for it.",
            [_known(row, set(row["leaders"]) <= set(row["predicted"]["hull"])) for row in space],
        ),
        Verdict.of(
            "Leaders and the set S at depth 0",
            "Not said by the paper: with V = I every leader attends to itself most at depth 0 already.",
            f"{sum(len(row['predicted']['itself']) - len(row['leaders']) for row in identity)} of "
            f"{sum(len(row['predicted']['itself']) for row in identity)} tokens of random draws that do so do not lead "
            "in the end; of the four tokens the one within leads and does not do so.",
            [_known(row, set(row["leaders"]) <= set(row["predicted"]["itself"])) for row in (*identity, hidden)],
        ),
        Verdict.of(
            "Section 3, leaders are few",
            "The number of vertices is often found to be significantly smaller than n, here: below a quarter.",
            f"In d = {high[0]['d']} on average {share:.0%} of the tokens lead.",
            [_known(row, len(row["leaders"]) < FEW * row["n"]) for row in identity],
        ),
        Verdict.of(
            "Leaders carry the most information",
            "Read as norms, V = I: the token with the largest |A x_i| leads.",
            f"Leaders rank on average in the top {ranks:.0%} by norm; outweighed by five others close together, the "
            "token with the largest norm does not lead.",
            [_known(row, row["first"] in row["leaders"]) for row in first],
        ),
    ]
    if triples:
        found.append(
            Verdict.of(
                "Theorem 4.2, leaders",
                "Good triples: the leaders are the initial extremes of phi_1^*, the left eigenvector.",
                f"{max(len(row['leaders']) for row in triples)} leaders at most; "
                f"{_words(_scores(triples, 'level'))} of the prediction.",
                [_known(row, row["leaders"] == sorted(row["predicted"]["level"])) for row in triples],
            )
        )
    return found


def _known(row: dict[str, Any], outcome: bool) -> bool | None:
    return None if row["undecided"] else bool(outcome)


def _words(scores: dict[str, float]) -> str:
    if not scores:
        return "no precision and recall"
    return (
        f"precision {scores['precision']:.2f} ± {scores['precision_half']:.2f} and recall {scores['recall']:.2f} "
        f"± {scores['recall_half']:.2f}"
    )


def table(summary: dict[str, Any]) -> str:
    """Return the verdicts, the predictions and the numbers of leaders."""

    def cell(group: dict[str, Any], name: str) -> str:
        scores = group["scores"].get(name)
        return f"{scores['precision']:.2f} {scores['recall']:.2f}" if scores else ""

    rows = [
        [
            f"{group['kind']}, d = {group['d']}, n = {group['n']}",
            str(group["draws"]),
            str(group["undecided"]),
            f"{group['leaders']:.1f}±{group['leaders_half']:.1f}",
            *(
                f"{group[key]:.2f}" if group[key] is not None else ""
                for key in ("largest_following", "kept", "changed")
            ),
            *(cell(group, name) for name in GUESSES),
        ]
        for group in summary["groups"]
    ]
    heading = ["V", "draws", "undecided", "leaders", "following", "kept", "changed", *GUESSES]
    notes = (
        "Precision and recall of each prediction from the initial tokens. following: largest share led by one token;\n"
        "kept: share of tokens whose first choice at depth 0 is their leader; changed: share of t* after which no\n"
        "token changes its first choice any more."
    )
    return "\n".join([verdict.table(summary), notes, text_table(heading, rows)])


def figure(summary: dict[str, Any]) -> Figure:
    """Return leaders against n and d, precision and recall, and the token that leads from within."""
    from matplotlib.figure import Figure  # workers do not draw

    drawing = Figure(figsize=(11.0, 7.4), layout="constrained")
    number, following, scores, within = drawing.subplots(2, 2).ravel()
    kinds = dict.fromkeys((group["kind"], group["d"]) for group in summary["groups"])
    for k, (kind, d) in enumerate(kinds):
        rows = [group for group in summary["groups"] if (group["kind"], group["d"]) == (kind, d)]
        n = np.array([row["n"] for row in rows]) * 1.02 ** (k - len(kinds) / 2)
        style = {"marker": "o" if kind == "identity" else "s", "color": f"C{k}", "ms": 4.5, "lw": 1.1}
        style["ls"] = "-" if kind == "identity" else "--"
        label = f"{'V = I' if kind == 'identity' else kind}, d = {d}"
        bars = [row["leaders_half"] for row in rows]
        number.errorbar(n, [row["leaders"] for row in rows], yerr=bars, capsize=2, label=label, **style)
        following.plot(n, [row["largest_following"] for row in rows], label=label, **style)
    for axes, name in ((number, "leaders"), (following, "largest share led by one token")):
        axes.set(xscale="log", xlabel="tokens n", ylabel=name)
        ticks = sorted({group["n"] for group in summary["groups"]})
        axes.set_xticks(ticks, [str(n) for n in ticks])
        axes.minorticks_off()
        axes.grid(alpha=0.3)
    number.set(yscale="log", ylim=(1, 200))
    number.legend(fontsize=8)
    following.set_ylim(0, 1)
    _draw_scores(scores, summary)
    _draw_hidden(within, summary["hidden"])
    drawing.suptitle("Who leads, and what of it the initial tokens tell")
    return drawing


def _draw_scores(axes: Any, summary: dict[str, Any]) -> None:
    entries = [
        (f"{name}\n{'V = I' if kind == 'identity' else 'triple'}", summary["headline"][f"{name}, {kind}"])
        for kind in ("identity", "good triple")
        for name in GUESSES
        if summary["headline"].get(f"{name}, {kind}")
    ]
    at = np.arange(len(entries))
    for shift, key, color in ((-0.2, "precision", "C0"), (0.2, "recall", "C1")):
        values = np.array([entry[key] for _, entry in entries])
        halves = np.array([entry[f"{key}_half"] for _, entry in entries])
        reach = np.vstack([np.minimum(halves, values), np.minimum(halves, 1 - values)])
        axes.bar(at + shift, values, 0.4, yerr=reach, capsize=2, color=color, label=key)
    axes.set_xticks(at, [label for label, _ in entries], fontsize=7)
    axes.set(ylim=(0, 1.3), title="leaders predicted from the initial tokens, all d and n")
    axes.set_yticks(np.linspace(0, 1, 6))
    axes.set_xlabel(_PREDICTIONS, fontsize=8)
    axes.legend(fontsize=8, loc="upper center", ncols=2)


def _draw_hidden(axes: Any, hidden: dict[str, Any]) -> None:
    tokens, limit = np.array(hidden["tokens"]), np.array(hidden["limit"])
    ends = limit[hidden["leaders"]]
    around = ends[np.argsort(np.arctan2(*(ends - ends.mean(axis=0)).T[::-1]))]
    axes.fill(*tokens[hidden["hull"]].T, color="C0", alpha=0.15, lw=0, label="initial hull")
    axes.fill(*around.T, fill=False, edgecolor="C3", lw=1.1, label="limit polytope")
    for start, end in zip(tokens, limit, strict=True):
        axes.plot(*np.array([start, end]).T, color="0.4", lw=0.9, ls=":")
    axes.plot(*tokens.T, "o", color="0.3", ms=4, label="initial tokens")
    axes.plot(*ends.T, "o", color="C3", ms=7, mfc="none", label="leaders in the end")
    axes.set(title="detail of four tokens, V = B = I: a leader from within", xlim=(-12, 14), ylim=(6.5, 11.2))
    axes.legend(fontsize=8, loc="upper left", ncols=2)
