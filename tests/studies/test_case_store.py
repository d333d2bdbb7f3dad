"""A stored case comes back as it went, or is called damaged."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from studies import array_file
from studies.case_store import CaseStore, Damaged

CASE = {"k": 1, "seed": 3, "times": (0.0, math.inf)}
KINDS = st.sampled_from(["<f8", "<f4", ">f8", "<i8", "<i4", "u1", "?", "<c16"])
NAMES = st.text(st.characters(exclude_characters="\0\\", exclude_categories=["Cs"]), max_size=5)


@pytest.fixture
def store(tmp_path):
    return CaseStore(tmp_path, "study", "1.0+abc")


def save(store, case, result):
    store.write(case, store.pack(case, result, {"attempt": 1}))
    return store.path(case)


def same(one, other):
    """Bit for bit; NaN is NaN."""
    if isinstance(one, np.ndarray):
        return (one.dtype, one.shape, one.tobytes()) == (other.dtype, other.shape, other.tobytes())
    return repr(one) == repr(other)


def test_arrays_come_back_as_arrays_and_all_else_as_it_went(store, tmp_path):
    result = {
        "file": np.array([[1.0, -0.0], [math.nan, math.inf]]),
        "count": 3,
        "places": np.arange(4, dtype=np.int64),
        "a/b c": np.array(2.5),
        "list": [1, 2.0, None, "x", [True, math.nan]],
        "empty": np.zeros((0, 3)),
        "truth": np.array([True, False]),
        "columns": np.asfortranarray(np.eye(3)),
        "scalar": np.float64(0.1),
        "inside": {"array": np.arange(2), "pair": (1, 2)},
    }
    path = save(store, CASE, result)
    found = store.load(CASE).result
    assert list(found) == list(result)
    for name in ("file", "count", "places", "a/b c", "list", "empty", "truth", "columns"):
        assert same(found[name], result[name]), name
    assert found["columns"].flags.f_contiguous  # sums over it run in the same order as before
    assert found["scalar"] == 0.1 and found["inside"] == {"array": [0, 1], "pair": [1, 2]}
    with np.load(path.with_suffix(".npz")) as read:
        assert same(read["file"], result["file"])


def test_without_arrays_there_is_one_file(store, tmp_path):
    save(store, CASE, {"x": 1.5})
    assert [path.suffix for path in tmp_path.iterdir()] == [".json"]
    assert store.load(CASE).result == {"x": 1.5} and store.holds(CASE)


@given(
    st.dictionaries(NAMES, arrays.arrays(KINDS, arrays.array_shapes(min_dims=0, min_side=0, max_dims=3)), max_size=3)
)
def test_an_array_file_gives_back_every_bit_and_is_the_same_each_time(content):
    try:
        written = array_file.dumps(content)
    except ValueError as error:
        assert "cannot be called" in str(error)
        return
    assert written == array_file.dumps(content)
    read = array_file.loads(written, content)
    assert all(same(read[name], array) for name, array in content.items())


def test_the_address_is_of_study_code_and_case(store, tmp_path):
    others = [CaseStore(tmp_path, "other", "1.0+abc"), CaseStore(tmp_path, "study", "1.0+abd")]
    paths = {store.path(CASE), store.path({**CASE, "k": 2}), *(one.path(CASE) for one in others)}
    assert len(paths) == 4 and store.path(CASE) == store.path(dict(CASE))
    save(store, CASE, {"x": 1})
    assert [one.load(CASE) for one in others] == [None, None]


def test_the_digest_is_of_the_result_alone(store):
    digests = []
    for attempt, result in enumerate(
        [{"x": 1, "y": np.ones(2)}, {"x": 1, "y": np.ones(2)}, {"x": 1, "y": np.zeros(2)}]
    ):
        store.write(CASE, store.pack(CASE, result, {"attempt": attempt}))
        digests.append(store.load(CASE).digest)
    assert digests[0] == digests[1] != digests[2]


@pytest.mark.parametrize(
    ("result", "text"),
    [
        ([1], "run_case must return a mapping; got list"),
        ({"a": {"b": object()}}, "/a/b: object"),
        ({"a": np.array([object()])}, "/a/0: object"),
        ({1: 2}, "keys must be strings"),
        ({"a\0b": np.ones(1)}, "cannot be called"),
        ({2: np.ones(1)}, "cannot be called 2"),
    ],
)
def test_a_result_that_cannot_be_stored_is_refused_and_leaves_nothing(store, tmp_path, result, text):
    with pytest.raises((TypeError, ValueError), match=text):
        save(store, CASE, result)
    assert list(tmp_path.iterdir()) == []


def test_any_changed_byte_of_either_file_is_seen(store, rng):
    path = save(store, CASE, {"x": 0.1, "y": rng.standard_normal(5), "n": math.nan})
    for file in (path, path.with_suffix(".npz")):
        intact = file.read_bytes()
        for place in rng.choice(len(intact), 60, replace=False):
            changed = bytearray(intact)
            changed[place] ^= 1 << int(rng.integers(8))
            file.write_bytes(changed)
            with pytest.raises(Damaged):
                store.load(CASE)
        for length in rng.choice(len(intact), 20, replace=False):
            file.write_bytes(intact[:length])
            assert not store.holds(CASE)
        file.write_bytes(intact)
    assert store.holds(CASE)


@pytest.mark.parametrize("content", [b"", b"[1]", b"{}", b'{"checksum": 1}', b"[" * 100000, b"\xff", b"null"])
def test_what_is_no_manifest_is_damaged(store, content):
    save(store, CASE, {"x": 1}).write_bytes(content)
    with pytest.raises(Damaged, match=r"is cut off, or is no manifest|checksum is wrong"):
        store.load(CASE)


def test_a_folder_in_place_of_a_manifest_is_damaged_and_not_an_error(store):
    store.path(CASE).mkdir()
    with pytest.raises(Damaged, match="cannot be read"):
        store.load(CASE)


def test_a_manifest_of_another_case_is_damaged(store):
    other = save(store, {**CASE, "k": 2}, {"x": 1})
    store.path(CASE).write_bytes(other.read_bytes())
    with pytest.raises(Damaged, match="belongs to another case"):
        store.load(CASE)


def test_a_manifest_is_plain_json(store):
    path = save(store, CASE, {"x": math.nan, "y": np.ones(2)})
    manifest = json.loads(path.read_text())
    assert manifest["case"] == {"k": 1, "seed": 3, "times": [0.0, None]} and manifest["seeds"] == {"seed": 3}
    assert manifest["arrays"]["names"] == ["y"] and manifest["result"] == {"x": None}
