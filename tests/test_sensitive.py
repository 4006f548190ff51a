from __future__ import annotations

import copy
import pickle
import traceback

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secrets_quickstart.sensitive import Sensitive

VALUE = "correct-horse-battery"


@pytest.mark.parametrize(
    "show",
    [
        repr,
        str,
        lambda s: f"{s}",
        lambda s: f"{s!r:>40}",
        lambda s: "%s" % s,  # noqa: UP031  what old code and logging do
        lambda s: f"{[s]}{ {'key': s} }",
        lambda s: str(dir(s)),
    ],
    ids=["repr", "str", "format", "padded", "percent", "inside", "dir"],
)
def test_no_way_of_showing_it_gives_the_value(show):
    assert VALUE not in show(Sensitive(VALUE))


def test_a_traceback_that_holds_it_does_not_give_the_value():
    value = Sensitive(VALUE)

    with pytest.raises(ValueError, match="Sensitive") as caught:
        raise ValueError(value)

    assert VALUE not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("take", [pickle.dumps, copy.copy, copy.deepcopy], ids=["pickle", "copy", "deepcopy"])
def test_it_is_not_carried_away_unseen(take):
    with pytest.raises(TypeError, match="not pickled or copied"):
        take(Sensitive(VALUE))


def test_it_has_no_hash_that_would_tell_equal_values_apart():
    with pytest.raises(TypeError, match="unhashable"):
        hash(Sensitive(VALUE))


@given(st.binary(), st.binary())
def test_two_are_equal_when_their_bytes_are(left, right):
    assert (Sensitive(left) == Sensitive(right)) == (left == right)
    assert Sensitive(left) == Sensitive(left)
    assert Sensitive(left) != left


@given(st.text())
def test_text_comes_back(text):
    assert Sensitive(text).text() == text
    assert len(Sensitive(text)) == len(text.encode())
