"""What is refused before anything is started: each run ends at once, says what to do, and leaves everything alone."""

import contextlib
import secrets
import socket
import subprocess
from contextlib import contextmanager

import pytest
import trustme

from tests.swarm.machine import engine
from tests.swarm.neighbour import is_untouched, mistake, neighbour

pytestmark = pytest.mark.swarm

STACK = "selftest-refused"
FLOWDB = ("deploy", "--target", "flowdb")


@pytest.fixture(scope="module")
def machine(tmp_path_factory):
    with neighbour(tmp_path_factory.mktemp("refused") / "here", STACK, 32000) as made:
        yield made


@pytest.fixture(autouse=True)
def _nothing_starts(machine):
    yield
    (machine.folder / ".env").unlink(missing_ok=True)
    assert is_untouched(machine)


@contextmanager
def small_disk(where, size):
    where.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=0700", "tmpfs", str(where)], check=True)
    try:
        yield where
    finally:
        subprocess.run(["umount", "--lazy", str(where)], check=True)


def fill(path):
    with path.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(b"x" * 4096):
            pass


def test_every_mistake_in_env_is_told_at_once(machine):
    lines = ("FLOWDB_HOST_PORT=many", "PASSWORD_LENGTH=3", "FLOWDB_HOTS_PORT=9000", "no assignment", "FLOWKIT_IMAGES=x")
    (machine.folder / ".env").write_text("\n".join(lines) + "\n")
    machine_without_ports = {"FLOWDB_HOST_PORT": "", "FLOWKIT_IMAGES": ""}  # an empty value counts as not set

    said = mistake(machine.invoke(*FLOWDB, expect=1, **machine_without_ports))

    for number in range(1, 6):
        assert f".env line {number}" in said
    assert "FLOWDB_HOST_PORT" in said  # and the one that is meant by FLOWDB_HOTS_PORT
    assert not (machine.folder / ".flowkit").exists()


def test_a_target_that_does_not_exist_is_wrong_usage(machine):
    assert "did you mean flowdb" in mistake(machine.invoke("deploy", "--target", "flowbd", expect=2))


def test_a_port_that_somebody_else_holds_is_found_and_its_variable_named(machine):
    with socket.create_server(("0.0.0.0", 32432)):
        said = mistake(machine.invoke(*FLOWDB, expect=3))

    assert "32432 (FLOWDB_HOST_PORT)" in said


def test_a_machine_without_an_engine_is_told_to_start_one(machine, tmp_path):
    said = mistake(machine.invoke(*FLOWDB, expect=3, DOCKER_HOST=f"unix://{tmp_path}/none.sock"))

    assert "bootstrap.sh" in said


def test_official_images_without_a_registry_are_missed_beforehand(machine):
    said = mistake(machine.invoke(*FLOWDB, expect=3, FLOWKIT_IMAGES="official", FLOWKIT_REGISTRY="127.0.0.1:1"))

    assert "images-registry" in said


def test_a_disk_too_small_for_a_database_is_refused(machine, tmp_path):
    with small_disk(tmp_path / "small", "64m") as disk:
        said = mistake(machine.invoke(*FLOWDB, expect=3, FLOWDB_DATA_DIR=str(disk / "data")))

        assert "disk-data" in said
        assert list(disk.iterdir()) == []


def test_a_vault_on_a_full_disk_stays_as_it_was(machine, tmp_path):
    with small_disk(tmp_path / "vault", "64k") as disk:
        there = {"FLOWKIT_VAULT": str(disk / "vault")}
        first, second = secrets.token_hex(16), secrets.token_hex(16)
        machine.invoke("secrets.import", "REDIS_PASSWORD", "-", stdin=first.encode(), **there)
        before = (disk / "vault").read_bytes()
        fill(disk / "filler")

        ended = machine.invoke("secrets.import", "REDIS_PASSWORD", "-", stdin=second.encode(), expect=1, **there)

        assert "no space left" in mistake(ended).lower()
        assert (disk / "vault").read_bytes() == before
        assert machine.invoke("secrets.show", "REDIS_PASSWORD", **there).stdout == first
        assert {path.name for path in disk.iterdir()} <= {"vault", "vault.lock", "filler"}


def test_what_is_exported_to_a_full_disk_is_whole_or_not_there(machine, tmp_path):
    there = {"FLOWKIT_VAULT": str(tmp_path / "state" / "vault")}
    key = subprocess.run(["openssl", "genrsa", "4096"], capture_output=True, check=True).stdout
    public = subprocess.run(["openssl", "pkey", "-pubout"], input=key, capture_output=True, check=True).stdout
    machine.invoke("secrets.import", "PUBLIC_JWT_SIGNING_KEY", "-", stdin=public, **there)
    with small_disk(tmp_path / "full", "8k") as disk:
        fill(disk / "filler")

        ended = machine.invoke("secrets.export-public", str(disk), expect=1, **there)

        assert "no space left" in mistake(ended).lower()
        assert [path.name for path in disk.iterdir()] == ["filler"]
        (disk / "filler").unlink()
        machine.invoke("secrets.export-public", str(disk), **there)
        assert (disk / "PUBLIC_JWT_SIGNING_KEY.pem").read_bytes() == public


def test_the_wrong_key_opens_nothing_and_changes_nothing(machine, tmp_path):
    there = {"FLOWKIT_VAULT": str(tmp_path / "vault"), "FLOWKIT_VAULT_KEY_FILE": str(tmp_path / "one" / "key")}
    other = {**there, "FLOWKIT_VAULT_KEY_FILE": str(tmp_path / "two" / "key")}
    elsewhere = {**other, "FLOWKIT_VAULT": str(tmp_path / "other" / "vault")}
    for variables in (there, elsewhere):
        machine.invoke("secrets.import", "REDIS_PASSWORD", "-", stdin=secrets.token_hex(16).encode(), **variables)
    before = (tmp_path / "vault").read_bytes()

    assert "key" in mistake(machine.invoke(*FLOWDB, expect=3, **other))
    mistake(machine.invoke("secrets.show", "REDIS_PASSWORD", expect=1, **other))

    assert (tmp_path / "vault").read_bytes() == before


def test_a_secret_of_our_name_that_somebody_else_made_is_left_to_them(machine):
    api = engine()
    name = f"{STACK}_FLOWDB_POSTGRES_PASSWORD_g1"
    made = api.create_secret(name, b"theirs")
    try:
        said = mistake(machine.invoke(*FLOWDB, expect=3))

        assert name in said
        assert api.inspect_secret(made["ID"])["Spec"]["Name"] == name
    finally:
        api.remove_secret(made["ID"])


@pytest.fixture
def pairs(tmp_path):
    """Two certificates, each with its key, from one authority."""
    authority = trustme.CA()
    for name in ("one", "two"):
        issued = authority.issue_cert("flowkit.api", "flow.api", "localhost", "127.0.0.1", "::1")
        (tmp_path / f"{name}.key").write_bytes(issued.private_key_pem.bytes())
        (tmp_path / f"{name}.pem").write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
    return tmp_path


def test_a_certificate_that_does_not_fit_its_key_is_refused(machine, pairs):
    there = {"FLOWKIT_VAULT": str(pairs / "vaults" / "vault")}

    mistake(machine.invoke("certs.install", str(pairs / "one.pem"), str(pairs / "two.key"), expect=1, **there))

    assert not (pairs / "vaults" / "vault").exists()


def test_half_of_another_pair_is_refused_and_the_pair_stays(machine, pairs):
    there = {"FLOWKIT_VAULT": str(pairs / "vaults" / "vault")}
    machine.invoke("certs.install", str(pairs / "one.pem"), str(pairs / "one.key"), **there)
    before = (pairs / "vaults" / "vault").read_bytes()

    said = mistake(machine.invoke("secrets.import", "key-flowkit.pem", str(pairs / "two.key"), expect=1, **there))

    assert "certs.install" in said
    assert (pairs / "vaults" / "vault").read_bytes() == before
