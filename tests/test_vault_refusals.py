"""What is no vault, not this key's, or open to others: refused with a reason, and left as it is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from secrets_quickstart.errors import VaultError
from secrets_quickstart.sensitive import Sensitive
from secrets_quickstart.vault import KeyFile, Origin, PassphraseFile, Vault, envelope
from secrets_quickstart.vault.key import Scrypt

VALUE = "correct-horse-battery"


@pytest.fixture
def place(tmp_path):
    return tmp_path / "state" / "core.vault"


@pytest.fixture
def key(tmp_path):
    return KeyFile(tmp_path / "keys" / "core.key")


@pytest.fixture
def passphrase(tmp_path):
    path = tmp_path / "passphrase"
    path.touch(0o600)
    path.write_text("a long passphrase\n")
    return PassphraseFile(path)


def refusal(path: Path, key: KeyFile | PassphraseFile) -> VaultError:
    """The error of opening, which must explain itself, show no value and leave the file as it is."""
    before = path.read_bytes() if path.is_file() else None
    with pytest.raises(VaultError) as caught:
        Vault.open(path, key)
    assert (path.read_bytes() if path.is_file() else None) == before
    assert caught.value.what
    assert caught.value.why
    assert caught.value.fix
    assert VALUE not in f"{caught.value} {caught.value.fix}"
    return caught.value


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o7777


def test_what_the_header_tells_of_the_key_is_no_part_of_what_seals(monkeypatch):
    """HKDF gives the shorter of two keys as the beginning of the longer, unless their purposes differ."""
    from cryptography.hazmat.primitives.ciphers import aead

    used: list[bytes] = []
    real = aead.ChaCha20Poly1305

    def noted(key):
        used.append(key)
        return real(key)

    monkeypatch.setattr(aead, "ChaCha20Poly1305", noted)
    master = Sensitive(bytes(32))
    headers = [envelope.new_header(master, None) for _ in range(2)]

    for header in headers:
        envelope.seal(header, master, b"content")

    assert len({*used, master.reveal()}) == 3
    assert not any(key.hex().startswith(header.key) for key in used for header in headers)


def test_a_vault_without_its_key_is_refused_and_no_key_is_made(place, key):
    Vault.create(place, key)
    key.path.unlink()

    error = refusal(place, key)

    assert "is missing" in error.why
    with pytest.raises(VaultError, match="is missing"):
        Vault.open_or_create(place, key)
    assert not key.path.exists()


def test_another_key_is_told_from_damage(place, key, tmp_path):
    Vault.create(place, key)
    other = KeyFile(tmp_path / "keys" / "other.key")
    Vault.create(tmp_path / "state" / "other.vault", other)

    assert "another vault's" in refusal(place, other).why


@pytest.mark.parametrize(
    "content", [b"", b"flowkit-vault-key \n", b"hello\n", b"flowkit-vault-key AAAA\n", b"\xff" * 60]
)
def test_a_file_that_is_no_key_is_refused(place, key, content):
    Vault.create(place, key)
    key.path.write_bytes(content)

    assert "damaged" in refusal(place, key).why
    assert key.path.read_bytes() == content


def test_a_passphrase_opens_what_it_locked_and_another_does_not(place, passphrase, key):
    Vault.create(place, passphrase).put("A", Sensitive(VALUE), Origin.GENERATED)

    assert Vault.open(place, passphrase).value("A").text() == VALUE
    assert "locked with a passphrase" in refusal(place, key).why
    passphrase.path.write_text("another\n")
    assert refusal(place, passphrase).why == "the passphrase is wrong"


def test_the_cost_of_a_passphrase_is_kept_beside_what_it_locks(place, passphrase):
    Vault.create(place, passphrase)

    header = json.loads(place.read_bytes().split(b"\n")[1])

    assert header["scrypt"]["n"] == Scrypt("00").n >= 2**17


@pytest.mark.parametrize("text", ["", "\n", "  \n"])
def test_an_empty_passphrase_is_refused(place, passphrase, text):
    passphrase.path.write_text(text)

    with pytest.raises(VaultError, match="it is empty"):
        Vault.create(place, passphrase)

    assert not place.exists()


def test_a_passphrase_that_others_can_read_is_refused(place, passphrase):
    passphrase.path.chmod(0o644)

    with pytest.raises(VaultError, match="open to others"):
        Vault.create(place, passphrase)


def test_a_missing_passphrase_file_is_named(place, tmp_path):
    with pytest.raises(VaultError, match="nowhere"):
        Vault.create(place, PassphraseFile(tmp_path / "nowhere"))


def test_a_passphrase_does_not_open_a_vault_with_a_key_file(place, key, passphrase):
    Vault.create(place, key)

    assert "key file" in refusal(place, passphrase).why


@pytest.mark.parametrize("which", ["vault", "its folder", "key", "its key's folder"])
@pytest.mark.parametrize("bits", [0o040, 0o004, 0o020])
def test_what_others_may_read_or_write_is_refused_with_the_command_that_mends_it(place, key, which, bits):
    Vault.create(place, key)
    path = {"vault": place, "its folder": place.parent, "key": key.path, "its key's folder": key.path.parent}[which]
    usual = mode(path)
    path.chmod(usual | bits)

    error = refusal(place, key)

    assert error.fix == f"chmod {usual:o} {path}"
    path.chmod(usual)
    Vault.open(place, key)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "empty"),
        (b"PASSWORD=1\n", "does not begin"),
        (b"\x89PNG\r\n", "does not begin"),
        (b"flowkit-vault 2\n{}\n", "format is 2"),
        (b"flowkit-vault 1\n", "damaged"),
        (b"flowkit-vault 1\n" + b"[" * 4000 + b"\nx", "damaged"),
        (b'flowkit-vault 1\n{"id": "00", "key": "00", "scrypt": {"salt": "00", "n": 1073741824}}\nx', "damaged"),
        (b'flowkit-vault 1\n{"id": "00", "key": "00", "scrypt": {"salt": "00", "n": 3}}\nx', "damaged"),
        (b'flowkit-vault 1\n{"id": 7, "key": "00", "scrypt": null}\nx', "damaged"),
    ],
    ids=["empty", "text", "binary", "later", "first line", "deep", "greedy", "odd", "number"],
)
def test_a_file_that_is_no_vault_is_refused(place, key, content, why):
    Vault.create(place, key)
    place.write_bytes(content)

    assert why in refusal(place, key).why


def test_a_directory_in_its_place_is_refused(place, key):
    place.mkdir(parents=True, mode=0o700)

    assert "directory" in refusal(place, key).why


def test_a_vault_that_is_not_there_is_not_made_by_opening(place, key):
    refusal(place, key)

    assert not place.parent.exists()
    assert not key.path.exists()


def test_a_link_that_leads_nowhere_is_not_filled(place, key, tmp_path):
    place.parent.mkdir(mode=0o700)
    place.symlink_to(tmp_path / "unmounted" / "core.vault")

    with pytest.raises(VaultError, match="broken link"):
        Vault.open_or_create(place, key)

    assert not (tmp_path / "unmounted").exists()


@pytest.fixture(scope="module")
def sealed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sealed")
    folder.chmod(0o700)
    path, key = folder / "core.vault", KeyFile(folder / "core.key")
    Vault.create(path, key).put("REDIS_PASSWORD", Sensitive(VALUE), Origin.GENERATED)
    return path, key, path.read_bytes()


@given(data=st.data())
@settings(deadline=None, max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_flipped_bit_is_found(sealed, data):
    path, key, whole = sealed
    bit = data.draw(st.integers(0, len(whole) * 8 - 1))
    damaged = bytearray(whole)
    damaged[bit // 8] ^= 1 << bit % 8
    path.write_bytes(damaged)

    refusal(path, key)


@given(data=st.data())
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_truncation_is_found(sealed, data):
    path, key, whole = sealed
    path.write_bytes(whole[: data.draw(st.integers(0, len(whole) - 1))])

    refusal(path, key)


@given(extra=st.binary(min_size=1, max_size=50), data=st.data())
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_addition_is_found(sealed, extra, data):
    path, key, whole = sealed
    place = data.draw(st.integers(0, len(whole)))
    path.write_bytes(whole[:place] + extra + whole[place:])

    refusal(path, key)


@given(content=st.binary(max_size=400))
@settings(deadline=None)
def test_taking_any_bytes_apart_ends_in_a_header_or_a_clear_error(content):
    for raw in (content, b"flowkit-vault 1\n" + content, b'flowkit-vault 1\n{"id": ' + content):
        with pytest.raises(VaultError):
            envelope.parse(raw, Path("v"))
