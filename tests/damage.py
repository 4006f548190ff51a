"""What may become of a good file on its way here, mostly as hypothesis strategies; not what is made of it."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator

from hypothesis import strategies as st

HUGE = 1 << 21
"""Bytes: more than any file that an operator gives may have, but for an OpenAPI document."""
BLOCK = re.compile(rb"-----BEGIN ([A-Z ]+)-----\n(.*?)-----END \1-----\n", re.DOTALL)


def damaged(*good: bytes) -> st.SearchStrategy[bytes]:
    """One of these contents, whole or in some way spoilt, or any bytes at all."""
    one = st.sampled_from(good)
    return st.one_of(
        one,
        st.builds(_flipped, one, PLACES),
        st.builds(lambda whole, place: whole[: _at(whole, place)], one, PLACE),
        st.builds(_moved, one, PLACE, PLACE, PLACE),
        st.builds(
            _with, one, PLACE, st.binary(min_size=1, max_size=30) | st.sampled_from([b"\0", b"\r", b"\xff", b"\x1b[2J"])
        ),
        one.map(lambda whole: whole.decode().encode("utf-16")),
        one.map(lambda whole: b"\xef\xbb\xbf" + whole),
        one.map(lambda whole: whole.replace(b"\n", b"\r\n")),
        one.map(base64.b64encode),
        one.map(lambda whole: whole + b"\n" * HUGE),
        st.binary(max_size=100),
    )


def damaged_pem(*good: bytes) -> st.SearchStrategy[bytes]:
    """PEM texts in some way spoilt: their blocks mixed, and what is inside them changed, too."""
    blocks = [match for whole in good for match in BLOCK.finditer(whole)]
    inside = st.builds(
        lambda match, places: _pem(match[1], _flipped(base64.b64decode(match[2]), places)),
        st.sampled_from(blocks),
        PLACES,
    )
    mixed = st.lists(st.sampled_from([match[0] for match in blocks]) | inside, min_size=1, max_size=4).map(b"".join)
    relabelled = st.builds(
        lambda match, other: _pem(other[1], base64.b64decode(match[2])),
        st.sampled_from(blocks),
        st.sampled_from(blocks),
    )
    return st.one_of(inside, mixed, relabelled, damaged(*good))


def flipped_inside(pem: bytes) -> Iterator[bytes]:
    """A PEM text of one block with each of the bits inside it flipped, one after another."""
    match = BLOCK.fullmatch(pem)
    assert match is not None
    inside = base64.b64decode(match[2])
    for bit in range(len(inside) * 8):
        changed = bytearray(inside)
        changed[bit // 8] ^= 1 << bit % 8
        yield _pem(match[1], bytes(changed))


PLACE = st.floats(0, 1, exclude_max=True)
"""How far into a content."""
PLACES = st.lists(st.tuples(PLACE, st.integers(0, 7)), min_size=1, max_size=3)


def _at(whole: bytes, place: float) -> int:
    return int(place * len(whole))


def _flipped(whole: bytes, places: list[tuple[float, int]]) -> bytes:
    changed = bytearray(whole)
    for place, bit in places:
        changed[_at(whole, place)] ^= 1 << bit
    return bytes(changed)


def _moved(whole: bytes, first: float, second: float, to: float) -> bytes:
    """A piece of it stands elsewhere."""
    start, end = sorted((_at(whole, first), _at(whole, second)))
    rest = whole[:start] + whole[end:]
    return _with(rest, to, whole[start:end])


def _with(whole: bytes, place: float, more: bytes) -> bytes:
    return whole[: _at(whole, place)] + more + whole[_at(whole, place) :]


def _pem(label: bytes, content: bytes) -> bytes:
    lines = base64.encodebytes(content)
    return b"-----BEGIN %s-----\n%s-----END %s-----\n" % (label, lines, label)
