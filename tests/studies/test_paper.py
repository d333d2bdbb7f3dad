"""The page of the paper from made-up results: everything on it is one of their numbers or sentences, or is missing."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from studies.contract import StudyConfig
from studies.paper import __main__ as command
from studies.paper import equation, order, page, sizes, stored
from studies.registry import GROUPS, STUDIES
from studies.stability import growth
from studies.statements.verdict import Verdict


class Config(StudyConfig):
    draws: int = 3

    @classmethod
    def full(cls, seed: int = 0) -> Config:
        return cls(seed=seed, draws=100)


@pytest.fixture(autouse=True)
def any_module(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stored.contract, "load", lambda study: SimpleNamespace(Config=Config))


def put(results: Path, name: str, summary: dict[str, Any], config: StudyConfig, **other: Any) -> None:
    document = {
        "study": name,
        "seed": config.seed,
        "config": config.model_dump(mode="json"),
        "versions": {"python": "3.11", "numpy": "2.4"},
        "summary": summary,
        **other,
    }
    (results / name).mkdir(parents=True)
    (results / name / f"{name}.json").write_text(json.dumps(document))


def judged(*verdicts: Verdict, **other: Any) -> dict[str, Any]:
    return {"verdicts": [verdict.record() for verdict in verdicts], "headline": {}, **other}


EXISTENCE = {
    "depth": 1.0,
    "rows": [
        {"law": law, "orders": orders, "slope": slope, "W1": [0.5, last]}
        for law, orders, slope, last in [("raw", [0.9, 1.0], 0.97, 2e-3), ("rescaled", [0.9, -0.1], 1.01, 4e-3)]
    ],
    "headline": {},
}
STABILITY = {
    "rows": [
        {"c": {"atoms": 1.25}, "bounds_hold": True, "radius": 5, "ratios": {"sharp": 2.5}},
        {"c": {"atoms": 1.0}, "bounds_hold": True, "radius": 1, "ratios": {"sharp": 1.25}},
        {"c": {"atoms": -1.0}, "bounds_hold": True, "radius": 1, "ratios": {"sharp": None}},
    ],
    "estimates": [
        *(
            {"estimate": name, "dim": dim, "draws": 12, "largest": [0.1 * dim, 0.05], "holds": name != "(6.8)"}
            for name in ("(6.3)", "(6.4)", "(6.5)", "(6.7)", "(6.8)")
            for dim in (1, 2)
        ),
        {"estimate": "counterexample", "e": [0.1, 1e-6], "over_W2": [1.5, 900.0], "holds": True},
    ],
    "headline": {},
}


def test_every_study_of_the_paper_has_one_place() -> None:
    assert sorted(order.ALL) == sorted({*GROUPS["paper"], "existence", "stability"})
    assert len(set(order.ALL)) == len(order.ALL)


def test_a_page_of_nothing_names_every_study_as_missing(tmp_path: Path) -> None:
    text = page.markdown(page.read(tmp_path))
    assert text.count("nothing is stored of") == len(order.ALL) - len(order.FIGURES)
    assert text.count("| **missing** |") == len(order.FIGURES)
    for name in order.ALL:
        assert f"meanfield run {name} --full --seed 0" in text
    assert "- On what the paper says 0 verdicts: 0 hold" in text and "Size: none." in text


def test_statements_stand_with_command_number_and_verdict(tmp_path: Path) -> None:
    first = Verdict.of("Theorem 2.1", "P(t) -> P* as |x|_1 <= 2.", "rank 2, P_12 = 0.5 in `a|b`.", [True] * 4)
    second = Verdict.of("Lemma 7.6", "One token.", "At most 1.", [True, False, None])
    put(tmp_path, "theorem-2-1", judged(first, second), Config.full(7))
    put(tmp_path, "errata", judged(Verdict.of("(6.5) as printed", "C", "900", [None])), Config.quick(7))
    put(
        tmp_path,
        "figure-03",
        {"headline": {"rank": 2, "least_gap": 0.123456, "ok": True, "at": [0.0, 5.0]}},
        Config(seed=7, draws=9),
    )
    lines = page.markdown(page.read(tmp_path)).splitlines()
    assert (
        r"| Theorem 2.1 | P(t) -> P\* as \|x\|\_1 \<= 2. | rank 2, P\_12 = 0.5 in `a\|b`. | holds in all 4 |" in lines
    )
    assert "| Lemma 7.6 | One token. | At most 1. | **holds in 1 of 3, fails in 1, undecided in 1** |" in lines
    assert "    meanfield run theorem-2-1 --full --seed 7" in lines and "    meanfield run errata --seed 7" in lines
    figure = next(line for line in lines if line.startswith("| Fig. 3: "))
    assert figure.endswith(
        "| `meanfield run figure-03 --config FILE.toml --seed 7` | rank: 2; least gap: 0.1235; ok: yes; at: (0, 5) |"
    )
    assert "- Seed: 7. Size: full in 1 study, quick in 1 study (errata), changed in 1 study (figure-03)." in lines
    assert "- Versions: python 3.11, numpy 2.4." in lines
    # a bullet is broken at 118 columns
    assert (
        "- On what the paper says 3 verdicts: 1 hold in all draws, 1 in all that are decided, 1 fail in some or all."
        in lines
    )
    made = lines.index("    meanfield run theorem-2-1 --full --seed 7 --out results")
    assert lines[made + 1 : made + 4] == [
        "    meanfield run errata --seed 7 --out results",
        "    meanfield run figure-03 --config FILE.toml --seed 7 --out results",
        "    python -m studies.paper results > docs/paper.md",
    ]
    # the order of the paper
    titles = [line for line in lines if line.startswith("## ")]
    assert (
        titles.index("## Section 2: tokens on the line")
        < titles.index("## Errors in print")
        < titles.index("## Figures")
    )


def test_section_6_comes_from_the_two_older_studies(tmp_path: Path) -> None:
    put(tmp_path, "existence", EXISTENCE, Config())
    put(tmp_path, "stability", STABILITY, Config())
    verdicts = {v.statement: v for v in [*equation.of_existence(EXISTENCE), *equation.of_stability(STABILITY)]}
    assert {name: (v.held, v.failed) for name, v in verdicts.items()} == {
        "Proposition 6.2": (1, 0),
        "Proposition 6.3": (0, 1),
        "Proposition 6.5, existence": (1, 1),
        "Proposition 6.5, stability": (3, 0),
        **{f"(6.{k})": (2, 0) for k in (3, 4, 5, 7)},
        "(6.8)": (0, 2),
        "(6.5) as printed": (0, 1),
    }
    assert "c ≤ 1.25" in verdicts["Proposition 6.5, stability"].measured
    said = verdicts["Proposition 6.5, stability"].measured
    assert "(s − c) / max(|c|, 0.1) is at most 1.50 over 2 pairs and 0.25 over 1 on boxes of half side 1." in said
    assert equation._LEAST == growth._LEAST_EXPONENT
    assert "0.100 (d = 1), 0.200 (d = 2)" in verdicts["(6.3)"].measured
    assert "900" in verdicts["(6.5) as printed"].measured
    assert "2.0e-03" in verdicts["Proposition 6.2"].measured and "τ^1.01" in verdicts["Proposition 6.3"].measured
    text = page.markdown(page.read(tmp_path))
    assert all(f"| {name} |" in text for name in verdicts)


def test_exceptions_of_the_conjecture_have_a_table(tmp_path: Path) -> None:
    exceptions = [{"seed": 1, "d": 3, "type": "real", "V": [[1.0]]}, {"seed": 2, "d": 2, "type": "pair", "V": [[2.0]]}]
    put(tmp_path, "codimension", judged(Verdict("C", "s", "m", 1), exceptions=exceptions), Config())
    lines = page.markdown(page.read(tmp_path)).splitlines()
    where = '(V of each are in codimension/codimension.json, under "summary", "exceptions")'
    assert f"2 exceptions {where}:" in lines
    assert "| seed | d | type |" in lines and "| 2 | 2 | pair |" in lines
    assert "1 exception:" in page._exceptions("codimension", [{"seed": 1}])
    assert "There are no exceptions." in page._exceptions("codimension", [])
    assert page._exceptions("codimension", None) == []


def test_what_the_paper_does_not_say_is_not_counted_with_what_it_says(tmp_path: Path) -> None:
    says = ["It is so.", "Not said by the paper: so.", "(Read from Section 12.) So.", "(Beside the remark.) So."]
    put(tmp_path, "leaders", judged(*(Verdict("S", text, "m", 0, failed=1) for text in says)), Config())
    text = " ".join(page.markdown(page.read(tmp_path)).split())
    assert "On what the paper says 1 verdict:" in text
    assert "On what it does not say, and is marked so, 3 verdicts: 0 hold" in text


def _stored(name: str, config: StudyConfig) -> stored.Stored:
    return stored.Stored(name, {"seed": config.seed, "config": config.model_dump(mode="json"), "summary": {}})


def test_the_command_on_the_page_is_of_what_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    class Single(Config):
        """One size for both."""

        draws: int = 100

    single = STUDIES["figure-01"]
    monkeypatch.setattr(
        stored.contract, "load", lambda study: SimpleNamespace(Config=Single if study == single else Config)
    )
    last = ["python -m studies.paper results > docs/paper.md"]
    full = [_stored(name, Config.full(2)) for name in order.ALL]
    assert sizes.commands(full) == ["meanfield run paper existence stability --full --seed 2 --out results", *last]
    assert sizes.described(full) == f"full in {len(full) - 1} studies, 1 study with one size only"
    only = [one for one in full if one.name in GROUPS["paper"]]
    assert sizes.commands(only) == ["meanfield run paper --full --seed 2 --out results", *last]
    mixed = [one if one.name != "stability" else _stored("stability", Config(seed=2)) for one in full]
    assert sizes.commands(mixed)[1:] == ["meanfield run stability --seed 2 --out results", *last]
    assert "existence" in sizes.commands(mixed)[0] and "stability" not in sizes.commands(mixed)[0]
    assert sizes.described(mixed).startswith(f"full in {len(full) - 2} studies, quick in 1 study (stability), 1 study ")
    figure = _stored("figure-01", Config.full(2))  # its one size needs no file, whatever the others had
    assert sizes.commands([_stored("leaders", Config(seed=2, draws=7)), figure])[:2] == [
        "meanfield run leaders --config FILE.toml --seed 2 --out results",
        "meanfield run figure-01 --full --seed 2 --out results",
    ]
    assert sizes.commands([]) == last and sizes.described([]) == "none"
    half = sizes.commands([one for one in full if one.name in GROUPS["statements"][1:]])
    assert len(half) > 2 and half[0].endswith(" \\") and max(map(len, half)) <= 112


def test_the_size_is_that_of_the_configuration(tmp_path: Path) -> None:
    for k, (config, size) in enumerate(
        [(Config.quick(3), "quick"), (Config.full(3), "full"), (Config(draws=5), "changed")]
    ):
        put(tmp_path / str(k), "leaders", judged(), config)
        found = stored.read(tmp_path / str(k), "leaders")
        assert found is not None and found.size == size


def test_the_command_prints_the_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    put(tmp_path, "existence", EXISTENCE, Config())
    assert command.main([str(tmp_path)]) == 0
    assert capsys.readouterr().out == page.markdown(page.read(tmp_path))
    assert command.main([]) == command.main([str(tmp_path / "none")]) == 2
    assert capsys.readouterr().err.startswith("usage: python -m studies.paper RESULTS")


@pytest.mark.parametrize("content", ["", '{"study": "other", "summary": {}}', '{"study": "leaders"}'])
def test_a_damaged_document_is_named(content: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "leaders").mkdir()
    (tmp_path / "leaders" / "leaders.json").write_text(content)
    assert command.main([str(tmp_path)]) == 2
    assert "leaders.json is not what a run writes" in capsys.readouterr().err


def test_the_page_in_the_documentation_has_a_part_for_each_study() -> None:
    text = (Path(__file__).parents[2] / "docs" / "paper.md").read_text(encoding="utf-8")
    assert [line.removeprefix("## ") for line in text.splitlines() if line.startswith("## ")] == [
        *(section.title for section in order.SECTIONS),
        "Figures",
    ]
    for name in order.ALL:
        assert f"meanfield run {name} " in text, STUDIES[name]
