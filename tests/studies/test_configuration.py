"""Configurations from TOML: all that is wrong at once, and what `meanfield config` prints can be read back."""

from __future__ import annotations

import math
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field, model_validator

import studies.__main__ as command
from studies import configuration, contract, toml_text
from studies.contract import StudyConfig
from studies.errors import BAD_INPUT, DONE
from studies.registry import STUDIES, Study

FAKE = Study("fake", "fake_study", "squares")


@pytest.fixture(autouse=True)
def fake_study(monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).resolve().parent))
    import fake_study

    return fake_study


def chosen(changes, *, full=False, seed=None):
    return configuration.configuration(FAKE, full=full, seed=seed, changes=changes)


def problems(changes, **options):
    with pytest.raises(ValueError) as raised:
        chosen(changes, **options)
    return str(raised.value).splitlines()


def test_single_keys_are_replaced(fake_study):
    assert chosen({}) == fake_study.Config()
    assert chosen({"count": 2, "ratios": [1, 2.5]}) == fake_study.Config(count=2, ratios=(1.0, 2.5))
    assert chosen({"seed": 3}).seed == 3 and chosen({"seed": 3}, seed=3).seed == 3 and chosen({}, seed=4).seed == 4


def test_every_problem_is_said_with_what_came_and_what_is_allowed():
    changes = {"cuont": 1, "size": 0, "count": "2", "ratios": [1], "kernel": 1, "label": 3, "seed": -1}
    assert sorted(problems(changes)) == sorted(
        [
            "[fake] `cuont` is unknown. Did you mean count?",
            "[fake] `size` must be greater than or equal to 1; got 0.",
            "[fake] `count` must be a valid integer; got '2'.",
            "[fake] `ratios[1]` is missing.",
            "[fake] `kernel` must be a valid boolean; got 1.",
            "[fake] `label` must be a valid string; got 3.",
            "[fake] `seed` must be greater than or equal to 0; got -1.",
        ]
    )
    assert problems({"size": math.nan, "ratios": [1, math.inf]}) == [
        "[fake] `size` must be finite; got nan.",
        "[fake] `ratios[1]` must be finite; got inf.",
        "[fake] `size` must be a valid integer; got nan.",
    ]
    assert problems({"seed": 3}, seed=4) == ["[fake] `seed` = 3 contradicts --seed 4; give one of them."]
    assert problems({"seed": "a"}) == ["[fake] `seed` must be a valid integer; got 'a'."]
    assert problems({"count": tomllib.loads("x = 2020-01-01")["x"]})[0].startswith("[fake] `count` must be")


def test_tables_inside_and_rules_across_keys(monkeypatch, fake_study):
    class Inner(BaseModel, extra="forbid"):
        depth: float = Field(1.0, gt=0)
        steps: int = 4

    class Config(StudyConfig):
        inner: Inner = Inner()
        lower: int = 0
        upper: int = 1

        @model_validator(mode="after")
        def _ordered(self):
            if self.lower > self.upper:
                raise ValueError("`lower` must not exceed `upper`")
            return self

    monkeypatch.setattr(fake_study, "Config", Config)
    assert chosen({"inner": {"depth": 2.0}}).inner == Inner(depth=2.0)
    assert problems({"inner": {"dept": 2.0}}) == ["[fake] `inner.dept` is unknown. Did you mean depth?"]
    assert problems({"lower": 2}) == ["[fake] `lower` must not exceed `upper`."]


@pytest.mark.parametrize("full", [[], ["--full"]])
def test_what_config_prints_is_read_back(tmp_path, capsys, full):
    file = tmp_path / "all.toml"
    assert command.main(["config", *STUDIES, *full, "--seed", "7"]) == DONE
    printed = capsys.readouterr().out
    file.write_text(printed)
    assert list(tomllib.loads(printed)) == list(STUDIES)
    tables = configuration.read(file, STUDIES, [])
    for study in STUDIES.values():
        model = contract.load(study).Config
        expected = model.full(7) if full else model.quick(7)
        assert configuration.configuration(study, full=False, seed=None, changes=tables[study.name]) == expected
    assert command.main(["config", *STUDIES, "--config", str(file)]) == DONE
    assert capsys.readouterr().out == printed


def test_a_file_is_wrong_in_many_ways_and_all_are_said(tmp_path, capsys):
    file = tmp_path / "wrong.toml"
    file.write_text("seed = 3\n[fkae]\nx = 1\n[fake]\nsize = 0\n")
    arguments = [
        "run",
        "fake",
        "nothing",
        "--config",
        str(file),
        "--jobs",
        "0",
        "--shard",
        "3/2",
        "--out",
        str(tmp_path),
    ]
    assert command.main(arguments, {"fake": FAKE}) == BAD_INPUT
    assert capsys.readouterr().err.splitlines() == [
        "meanfield: no study is called 'nothing'. Valid: fake.",
        "meanfield: --jobs must be an integer of at least 1; got '0'.",
        "meanfield: --shard must be i/N with 1 <= i <= N, as in 1/4; got '3/2'.",
        f"meanfield: {file}: `seed` must stand in the table of a study, such as [fake].",
        f"meanfield: {file}: [fkae] is not a study. Did you mean fake?",
        "meanfield: [fake] `size` must be greater than or equal to 1; got 0.",
    ]


@pytest.mark.parametrize(("content", "text"), [(None, "cannot read the configuration"), ("[fake", "is not TOML")])
def test_a_file_that_is_none_is_bad_input(tmp_path, capsys, content, text):
    file = tmp_path / "none.toml"
    if content is not None:
        file.write_text(content)
    assert command.main(["config", "fake", "--config", str(file)], {"fake": FAKE}) == BAD_INPUT
    assert text in capsys.readouterr().err


KEYS = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
VALUES = st.recursive(
    st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats() | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=6,
)


@given(KEYS, st.dictionaries(KEYS, VALUES, max_size=4))
def test_toml_comes_back_exactly(name, content):
    # repr tells nan from nan, -0.0 from 0.0 and 1 from 1.0, which == does not.
    assert repr(tomllib.loads(toml_text.table(name, content))) == repr({name: content})


def test_toml_has_no_none():
    text = toml_text.table("t", {"a": None, "b": math.inf})
    assert text == "[t]\n# a is not set\nb = inf\n" and tomllib.loads(text) == {"t": {"b": math.inf}}
    with pytest.raises(TypeError, match="object has no form in TOML"):
        toml_text.table("t", {"a": object()})
