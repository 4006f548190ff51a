from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secrets_quickstart.catalog.hosts import HOST_NAMES, LOOPBACK
from secrets_quickstart.errors import MaterialError
from secrets_quickstart.material import names

OWN = (*HOST_NAMES, *LOOPBACK)


def test_our_own_names_come_first_and_each_once():
    found = names.complete(OWN, ["FlowKit.example.org.", "localhost", "192.0.2.1", "::1", "0:0:0:0:0:0:0:1"])

    assert found == (*OWN, "flowkit.example.org", "192.0.2.1")


@pytest.mark.parametrize(
    ("given_name", "usual"),
    [
        ("Example.ORG", "example.org"),
        ("example.org.", "example.org"),
        ("*.example.org", "*.example.org"),
        ("host_1", "host_1"),
        ("2001:DB8:0:0:0:0:0:1", "2001:db8::1"),
        (" 192.0.2.1 ", "192.0.2.1"),
        ("xn--bcher-kva.example", "xn--bcher-kva.example"),
    ],
)
def test_a_name_is_brought_into_its_usual_spelling(given_name, usual):
    assert names.canonical(given_name) == usual


@pytest.mark.parametrize(
    "text",
    [
        *("", ".", "a..b", "https://example.org", "example.org:9090", "a b", "-a.org", "a-.org", "*", "a.*.org"),
        *("bücher.org", "a" * 64 + ".org", ".".join(["a" * 60] * 5), "10.0.0.0/8", "fe80::1%eth0"),
    ],
)
def test_what_is_no_name_is_refused(text):
    with pytest.raises(MaterialError, match="cannot stand in a certificate"):
        names.canonical(text)


@pytest.mark.parametrize(
    ("wanted", "present", "lacking"),
    [
        (["a.example.org"], ["a.example.org"], ()),
        (["A.Example.org"], ["a.example.org"], ()),
        (["a.example.org"], ["*.example.org"], ()),
        (["b.a.example.org"], ["*.example.org"], ("b.a.example.org",)),
        (["example.org"], ["*.example.org"], ("example.org",)),
        (["10.0.0.1"], ["*.0.0.1"], ("10.0.0.1",)),
        (["::1", "2001:db8::1"], ["0:0:0:0:0:0:0:1"], ("2001:db8::1",)),
        (["a", "b"], [], ("a", "b")),
        (["a"], ["odd name in somebody's certificate", "a"], ()),
    ],
)
def test_a_wildcard_stands_for_one_label_and_no_address(wanted, present, lacking):
    assert names.missing(wanted, present) == lacking


@given(st.text(max_size=60))
def test_any_text_is_a_name_or_a_clear_error(text):
    try:
        usual = names.canonical(text)
    except MaterialError:
        return
    assert names.canonical(usual) == usual
    assert names.missing([text], [usual]) == ()
