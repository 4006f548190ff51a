from __future__ import annotations

import base64

import pytest
import trustme
from hypothesis import given
from hypothesis import strategies as st

from secrets_quickstart.catalog.secrets import BY_NAME
from secrets_quickstart.errors import MaterialError
from secrets_quickstart.material import keys
from secrets_quickstart.material.imports import checked
from secrets_quickstart.sensitive import Sensitive

PASSWORD = BY_NAME["REDIS_PASSWORD"]


@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n"])
def test_a_line_loses_its_newline_and_nothing_else(end):
    assert checked(PASSWORD, Sensitive(b"p%40 \xc3\xa9!" + end)) == Sensitive("p%40 é!")


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "empty"),
        (b"\n", "empty"),
        (b"one\ntwo", "more than one line"),
        (b"one\n\n", "more than one line"),
        (b"a\0b", "control"),
        (b" a", "blank"),
        (b"a\t", "control"),
        (b"\xff\xfe", "UTF-8"),
    ],
)
def test_what_is_no_line_of_text_is_refused(content, why):
    with pytest.raises(MaterialError, match=why) as caught:
        checked(PASSWORD, Sensitive(content))

    assert "REDIS_PASSWORD" in caught.value.what


@given(st.text("áß€z", min_size=8, max_size=60), st.sampled_from(sorted(BY_NAME)))
def test_a_value_is_kept_as_it_is_or_refused_without_quoting_it(text, name):
    try:
        kept = checked(BY_NAME[name], Sensitive(text + "\n"))
    except MaterialError as refused:
        error = refused
    else:
        assert kept.text() == text
        return
    shown = f"{error} {error.fix}"
    assert text not in shown
    assert error.fix


def test_a_fernet_key_is_checked():
    row = BY_NAME["FLOWAUTH_FERNET_KEY"]
    good = base64.urlsafe_b64encode(bytes(range(32)))

    assert checked(row, Sensitive(good + b"\n")) == Sensitive(good)
    for bad in (b"short", good[:-4], base64.urlsafe_b64encode(bytes(16))):
        with pytest.raises(MaterialError, match="not a Fernet key"):
            checked(row, Sensitive(bad))


def test_keys_are_checked_for_what_they_are_for():
    signing = keys.signing_key(2048)

    assert checked(BY_NAME["PRIVATE_JWT_SIGNING_KEY"], signing) == signing
    assert checked(BY_NAME["PUBLIC_JWT_SIGNING_KEY"], keys.verification_key(signing)) == keys.verification_key(signing)
    assert checked(BY_NAME["key-flowkit.pem"], keys.elliptic_key())
    with pytest.raises(MaterialError, match="must not hold what signs"):
        checked(BY_NAME["PUBLIC_JWT_SIGNING_KEY"], signing)
    with pytest.raises(MaterialError, match="not RSA"):
        checked(BY_NAME["PRIVATE_JWT_SIGNING_KEY"], keys.elliptic_key())


def test_a_certificate_loses_the_key_that_stood_in_the_same_file():
    leaf = trustme.CA().create_child_ca().issue_cert("flowkit.example.org")
    chain = b"".join(blob.bytes() for blob in leaf.cert_chain_pems)

    kept = checked(BY_NAME["cert-flowkit.pem"], Sensitive(leaf.private_key_pem.bytes() + b"some words\n" + chain))

    assert kept == Sensitive(chain)
    assert b"PRIVATE" not in kept.reveal()
