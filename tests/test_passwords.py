from __future__ import annotations

import pytest
from cryptography.fernet import Fernet
from hypothesis import given
from hypothesis import strategies as st

from secrets_quickstart.errors import MaterialError
from secrets_quickstart.material.passwords import ALPHABET, SHORTEST, fernet_key, password


@given(st.integers(SHORTEST, 200))
def test_a_password_has_exactly_the_length_that_was_asked_for(length):
    text = password(length).text()

    assert len(text) == length
    assert set(text) <= set(ALPHABET)
    assert text.isascii()
    assert text.isalnum()


def test_no_two_passwords_are_the_same():
    assert len({password(16).text() for _ in range(1000)}) == 1000


def test_every_letter_and_digit_comes_up_about_as_often():
    drawn = password(62_000).text()

    counts = [drawn.count(character) for character in ALPHABET]
    assert len(counts) == 62
    assert min(counts) > 800  # 1000 each; six standard deviations are 190
    assert max(counts) < 1200


@pytest.mark.parametrize("length", [-1, 0, 1, SHORTEST - 1])
def test_a_password_that_can_be_guessed_is_not_made(length):
    with pytest.raises(MaterialError, match="guessed"):
        password(length)


def test_a_fernet_key_encrypts():
    key = fernet_key()

    assert len(key) == 44
    assert Fernet(key.reveal()).decrypt(Fernet(key.reveal()).encrypt(b"data")) == b"data"
    assert key != fernet_key()
