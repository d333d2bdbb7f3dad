from __future__ import annotations

import errno
import json
import math
import os

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure

from studies import files, strict_json
from studies.errors import StoreError


def refuse_constant(literal):
    raise AssertionError(f"{literal} is not JSON")


def test_a_file_is_replaced_whole(tmp_path):
    path = tmp_path / "numbers.json"
    files.write_json(path, {"a": 1})
    files.write_json(path, {"a": 2})
    assert files.read_json(path) == {"a": 2}
    assert os.listdir(tmp_path) == ["numbers.json"]


@pytest.mark.parametrize("moment", ["fsync", "replace"])
def test_a_failure_in_the_middle_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch, moment):
    path = tmp_path / "table.txt"
    files.write_text(path, "old")

    def full_disk(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, moment, full_disk)
    with pytest.raises(StoreError, match=r"table\.txt: No space left"):
        files.write_text(path, "new, and longer")
    monkeypatch.undo()
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["table.txt"]


def test_the_content_is_on_the_disk_before_it_has_the_name(tmp_path, monkeypatch):
    events = []
    real_fsync, real_replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda fd: (events.append("fsync"), real_fsync(fd))[1])
    monkeypatch.setattr(os, "replace", lambda a, b: (events.append("replace"), real_replace(a, b))[1])
    files.write_text(tmp_path / "x", "x")
    assert events[:2] == ["fsync", "replace"]


def test_a_file_in_place_of_a_folder_is_a_store_error(tmp_path):
    (tmp_path / "taken").write_text("")
    with pytest.raises(StoreError, match="taken"):
        files.make_folder(tmp_path / "taken" / "results")


def test_nan_is_null_in_the_file_and_nan_again_when_read(tmp_path):
    path = tmp_path / "x.json"
    document = {"a": [1.0, math.nan], "b/c": {"~": -math.inf}, "d": np.float64("inf"), "e": None}
    files.write_json(path, document)
    plain = json.loads(path.read_text(), parse_constant=refuse_constant)
    assert plain["a"] == [1.0, None] and plain["b/c"] == {"~": None} and plain["d"] is None
    assert plain["non_finite"] == {"/a/1": "nan", "/b~1c/~0": "-inf", "/d": "inf"}
    back = files.read_json(path)
    assert math.isnan(back["a"][1]) and back["b/c"]["~"] == -math.inf and back["d"] == math.inf
    assert back["e"] is None and "non_finite" not in back


def test_numpy_becomes_lists_and_numbers():
    document = {
        "x": np.arange(3),
        "y": np.float32(0.5),
        "z": np.bool_(True),
        "w": np.eye(2),
        "v": np.array(3),
    }
    assert strict_json.loads(strict_json.dumps(document)) == {
        "x": [0, 1, 2],
        "y": 0.5,
        "z": True,
        "w": [[1.0, 0.0], [0.0, 1.0]],
        "v": 3,
    }


@pytest.mark.parametrize(
    ("document", "text"),
    [
        ({"a": [object()]}, "/a/0: object"),
        ({"a": {1: 2}}, "/a: keys must be strings"),
        ({"a": {1, 2}}, "/a: set"),
    ],
)
def test_what_json_does_not_know_is_refused_by_place(document, text):
    with pytest.raises(TypeError, match=text):
        strict_json.dumps(document)


@pytest.mark.parametrize("text", ["[1]", "{", '{"a": NaN}', '{"a": 1, "non_finite": {"/a": "many"}}'])
def test_what_dumps_never_writes_is_not_read(text):
    with pytest.raises(ValueError):
        strict_json.loads(text)


trees = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(trees)
def test_round_trip_is_exact(tree):
    # repr tells nan from nan, -0.0 from 0.0 and 1 from 1.0, which == does not.
    assert repr(strict_json.loads(strict_json.dumps({"tree": tree}))) == repr({"tree": tree})


def test_the_same_figure_gives_the_same_bytes(tmp_path):
    for name in ("a", "b"):
        figure = Figure(figsize=(2, 2))
        figure.add_subplot().plot([0, 1])
        files.write_figure(tmp_path, name, figure)
    for kind in ("png", "svg"):
        first = (tmp_path / f"a.{kind}").read_bytes()
        assert first == (tmp_path / f"b.{kind}").read_bytes()
        assert len(first) > 500
