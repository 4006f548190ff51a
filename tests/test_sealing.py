"""What is sealed can be opened by whoever has the passphrase or the key, as long as nobody has touched it."""

import io
import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from secrets_quickstart.errors import MaterialError
from secrets_quickstart.material.sealing import AT_ONCE, Opener, Sealer
from secrets_quickstart.sensitive import Sensitive

CHUNK = 1 << 16
"""age's: the content in chunks of 64 kB, each with a tag of 16 bytes."""
PASSPHRASE = Sensitive("correct horse")


@pytest.fixture(scope="module")
def sealer():
    return Sealer.with_passphrase(PASSPHRASE)


@pytest.fixture(scope="module")
def opener(sealer):
    return Opener.with_passphrase(PASSPHRASE, sealer.key)


def sealed(sealer, content):
    sink = io.BytesIO()
    sealer.seal(io.BytesIO(content), sink)
    return sink.getvalue()


def opened(opener, content):
    sink = io.BytesIO()
    opener.open(io.BytesIO(content), sink, "flowdb.tar.age")
    return sink.getvalue()


@pytest.fixture(scope="module")
def content():
    return os.urandom(3 * CHUNK + 100)


@pytest.fixture(scope="module")
def whole(sealer, content):
    return sealed(sealer, content)


@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * AT_ONCE + 1])
def test_what_is_opened_is_what_was_sealed(sealer, opener, size):
    content = os.urandom(size)

    assert opened(opener, sealed(sealer, content)) == content


def test_what_is_sealed_shows_nothing_of_it(sealer):
    content = b"a password that is easy to find" * 10

    result = sealed(sealer, content)

    assert b"password" not in result
    assert result.startswith(b"age-encryption.org/v1\n")
    assert sealed(sealer, content) != result


@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_a_bit_that_was_flipped_anywhere_is_found(data, whole, opener):
    damaged = bytearray(whole)
    damaged[data.draw(st.integers(0, len(damaged) - 1))] ^= 1 << data.draw(st.integers(0, 7))

    with pytest.raises(MaterialError, match=r"flowdb\.tar\.age cannot be opened"):
        opened(opener, bytes(damaged))


@pytest.mark.parametrize("cut", [1, 100 + 16, 100 + 16 + 5, 100 + 16 + CHUNK + 16])
def test_what_was_cut_short_is_found_even_where_a_chunk_ends(whole, opener, cut):
    with pytest.raises(MaterialError, match="cut short"):
        opened(opener, whole[:-cut])


def test_chunks_in_another_order_are_found(whole, opener):
    size = CHUNK + 16
    start = len(whole) - 3 * size - 100 - 16
    first, second, rest = whole[start : start + size], whole[start + size : start + 2 * size], whole[start + 2 * size :]

    with pytest.raises(MaterialError):
        opened(opener, whole[:start] + second + first + rest)


def test_something_added_at_the_end_is_found(whole, opener):
    with pytest.raises(MaterialError):
        opened(opener, whole + b"more")


def test_another_passphrase_opens_nothing(sealer):
    with pytest.raises(MaterialError, match="the passphrase is wrong") as caught:
        Opener.with_passphrase(Sensitive("battery staple"), sealer.key)

    assert "staple" not in f"{caught.value} {caught.value.fix}"


def test_what_is_sealed_for_another_key_is_not_opened(opener):
    other = Sealer.for_recipient("age1uxvel053vpfhe426un5n4yaxaqck44aed53faafc8gqz9uy7fu9q8hpcuc")

    with pytest.raises(MaterialError, match="for another key"):
        opened(opener, sealed(other, b"x"))


def test_an_identity_of_the_operators_opens_what_its_recipient_was_sent():
    import pyrage

    identity = pyrage.x25519.Identity.generate()
    sealer = Sealer.for_recipient(f"{identity.to_public()}\n")
    file = f"# created: today\n# public key: {identity.to_public()}\n{identity}\n"

    assert sealer.key is None
    assert opened(Opener.with_identity(Sensitive(file)), sealed(sealer, b"content")) == b"content"


@pytest.mark.parametrize("text", ["", "age1", "ssh-ed25519 AAAA", "AGE-SECRET-KEY-1", "ä"])
def test_what_is_no_recipient_is_refused(text):
    with pytest.raises(MaterialError, match="not a public key of age"):
        Sealer.for_recipient(text)


@pytest.mark.parametrize("content", [b"", b"AGE-SECRET-KEY-1", b"# only words\n", b"\xff", b"a\nb\n"])
def test_what_is_no_identity_is_refused(content):
    with pytest.raises(MaterialError, match="identity file cannot be used"):
        Opener.with_identity(Sensitive(content))


class Full:
    def write(self, _content):
        raise OSError(28, "No space left on device")


class Broken:
    def read(self, _size):
        raise KeyboardInterrupt


def test_what_source_and_sink_raise_comes_through(sealer, opener):
    with pytest.raises(OSError, match="No space left") as caught:
        sealer.seal(io.BytesIO(b"x" * CHUNK * 2), Full())
    assert caught.value.errno == 28

    with pytest.raises(OSError, match="No space left"):
        opener.open(io.BytesIO(sealed(sealer, b"x" * CHUNK)), Full(), "x")

    with pytest.raises(KeyboardInterrupt):
        sealer.seal(Broken(), io.BytesIO())
