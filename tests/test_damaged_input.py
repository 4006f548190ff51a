"""Whatever an operator's files hold: a command works or says what is wrong, and leaves whole files behind."""

from __future__ import annotations

import json
import re
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path

import pytest
import trustme
import yaml
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from invoke.context import Context
from invoke.exceptions import Exit

from secrets_quickstart.catalog.secrets import SECRETS
from secrets_quickstart.clients import specification
from secrets_quickstart.errors import QuickstartError
from secrets_quickstart.material import certificates, keys
from secrets_quickstart.operations import backup_manifest
from secrets_quickstart.operations.backup_manifest import DatabasePart, Manifest, Part
from secrets_quickstart.sensitive import Sensitive
from secrets_quickstart.settings import load
from secrets_quickstart.steps import roles_file
from secrets_quickstart.tasks import certs, secrets_of_stack
from secrets_quickstart.vault import Origin, Vault, key_of
from tests.damage import HUGE, damaged, damaged_pem, flipped_inside

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")  # cryptography reads more than the standard allows

REPOSITORY = Path(__file__).parents[1]
HOST = "flowauth.example.org"
DOCUMENTED = {1, 2}
"""Exit statuses of a command that was given something bad: docs/reference.md."""

AUTHORITY = trustme.CA()
LEAF = AUTHORITY.create_child_ca().issue_cert(HOST, "192.0.2.1")
CHAIN = b"".join(blob.bytes() for blob in LEAF.cert_chain_pems)
KEY = LEAF.private_key_pem.bytes()
STRANGER = AUTHORITY.issue_cert(HOST).private_key_pem.bytes()
SCOPES = ["run", "a:b:c", "get_result"]
SPECIFICATION = {
    "openapi": "3.0.1",
    "info": {"version": "1.34.0", "x-made": date(2026, 1, 1)},
    "components": {"securitySchemes": {"token": {"x-audience": "flowapi", "x-security-scopes": SCOPES}}},
}
ENV = re.sub(rb"(?m)^#(?=[A-Z])", b"", (REPOSITORY / ".env.example").read_bytes())
"""Every variable, with its default."""
TAGGED = b"a: !!int 5\nb: !!bool yes\nc: !!timestamp 2020-01-01\nd: &x [1]\ne: *x\nf: !!float 1.5\ng: {<<: {h: 1:30}}\n"

often = partial(hypothesis_settings, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def files_of(folder):
    """What lies there, but for the lock and the log of who did what."""
    return {
        path: path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name not in {"vault.lock", "audit.jsonl"}
    }


def require_explained(problem):
    assert isinstance(problem, QuickstartError)
    assert problem.what
    assert problem.why
    assert problem.fix
    assert all(line.isprintable() for line in str(problem).splitlines())
    assert KEY.splitlines()[1].decode() not in f"{problem} {problem.fix}"


class Operator:
    """A folder with a vault in it, and what a person types there."""

    def __init__(self, folder, monkeypatch):
        self.folder = folder
        chosen = load(folder, {"HOME": str(folder), "DOMAIN_NAME": HOST})
        self.chosen = chosen
        for module in (certs, secrets_of_stack):
            monkeypatch.setattr(module, "settings", lambda: chosen)
        self.certificate, self.key = (folder / name for name in ("mine.pem", "mine.key"))
        self.vault.put("REDIS_PASSWORD", keys.elliptic_key(), Origin.GENERATED)

    @property
    def vault(self):
        return Vault.open_or_create(self.chosen.vault_path, key_of(self.chosen))

    def types(self, command, *arguments, **options):
        """Whether it was done.  Refused, it says what to do, ends as documented, and has changed no file."""
        before = files_of(self.folder)
        try:
            command(Context(), *map(str, arguments), **options)
        except Exit as ended:
            problem = ended
        else:
            assert self.vault.names(), "what was written can be read"
            return True
        require_explained(problem.__cause__)
        assert problem.code in DOCUMENTED
        assert files_of(self.folder) == before
        return False


@pytest.fixture
def operator(tmp_path, monkeypatch):
    return Operator(tmp_path, monkeypatch)


@given(damaged_pem(CHAIN, KEY), st.just(KEY) | damaged_pem(KEY, CHAIN))
@often(max_examples=300)
def test_a_certificate_of_the_operators_is_taken_with_its_key_or_refused(operator, certificate, key):
    operator.certificate.write_bytes(certificate)
    operator.key.write_bytes(key)

    if operator.types(certs.install, operator.certificate, operator.key, flowauth=True):
        held = [operator.vault.value(name) for name in ("cert-flowauth.pem", "key-flowauth.pem")]
        assert certificates.belongs_to(*held)
        assert HOST in certificates.describe(held[0]).names


def test_no_flipped_bit_of_a_certificate_ends_in_anything_but_words():
    key = keys.elliptic_key()
    authority = certificates.authority(key, datetime.now(UTC))
    for damage in flipped_inside(authority.reveal()):
        for examine in (certificates.describe, keys.check_verification_key, partial(certificates.belongs_to, key=key)):
            made_of(examine, Sensitive(damage))


@given(damaged_pem(CHAIN, KEY, STRANGER) | damaged(b"correct horse battery staple\n"), st.sampled_from(SECRETS))
@often(max_examples=300)
def test_whatever_is_imported_serves_its_row_or_is_refused(operator, content, row):
    operator.certificate.write_bytes(content)

    if operator.types(secrets_of_stack.import_, row.name, operator.certificate):
        held = operator.vault.value(row.name)
        assert held.text().strip()
        assert b"\0" not in held.reveal()


@pytest.mark.parametrize("command", ["certificate", "key", "import"])
def test_what_is_no_file_of_a_secrets_size_is_refused(operator, command):
    operator.certificate.write_bytes(CHAIN)
    operator.key.write_bytes(KEY)
    huge, loop = operator.folder / "huge", operator.folder / "loop"
    huge.write_bytes(b"x" * HUGE)
    loop.symlink_to(loop)
    for place in (huge, loop, operator.folder, operator.folder / "none", "/dev/zero", "~nobody-of-this-name/x"):
        match command:
            case "certificate":
                done = operator.types(certs.install, place, operator.key, flowauth=True)
            case "key":
                done = operator.types(certs.install, operator.certificate, place, flowauth=True)
            case _:
                done = operator.types(secrets_of_stack.import_, "REDIS_PASSWORD", place)
        assert not done


def made_of(read, *arguments):
    """What it makes of something, None if it refuses that in words."""
    try:
        return read(*arguments)
    except QuickstartError as ended:
        problem = ended
    require_explained(problem)
    return None


@pytest.fixture
def place(tmp_path):
    return tmp_path / "given"


@given(damaged(json.dumps(SPECIFICATION, default=str).encode(), yaml.safe_dump(SPECIFICATION).encode() + TAGGED))
@often(max_examples=300)
def test_a_specification_in_any_state_is_read_or_refused(place, content):
    place.write_bytes(content)

    found = made_of(specification.from_file, place)

    if found is not None:
        assert all(text.isprintable() for text in (found.name, *found.scopes))
    assert place.read_bytes() == content


@pytest.mark.parametrize("text", ["!!int ''", "!!bool maybe", "!!timestamp x", "!!float ''", "{<<: 1}", "!!omap 3"])
def test_a_value_in_yaml_that_is_not_what_it_says_spoils_no_specification(text):
    content = yaml.safe_dump(SPECIFICATION) + f"x-other: {text}\n"

    assert specification.parse(content.encode(), "it").name == "flowapi"


@given(damaged((REPOSITORY / "docs" / "roles.yml").read_bytes()))
@often(max_examples=60)
def test_a_file_of_roles_in_any_state_is_read_or_refused(place, content):
    place.write_bytes(content)

    found = made_of(roles_file.read, place, date(2026, 1, 1))

    if found is not None:
        made_of(found.resolve, SCOPES)
    assert place.read_bytes() == content


@given(damaged(ENV, b"FLOWKIT_STACK=one\nDOMAIN_NAME='a.example.org'\nexport FLOWAPI_IDENTIFIER=\"caf\xc3\xa9\"\n"))
@often(max_examples=100)
def test_an_env_file_in_any_state_gives_settings_or_mistakes(tmp_path, content):
    (tmp_path / ".env").write_bytes(content)

    found = made_of(load, tmp_path, {"HOME": str(tmp_path)})

    if found is not None:
        assert not any("\0" in text for text in found.stack_environment().values())
    assert files_of(tmp_path) == {tmp_path / ".env": content}


ANSWERS = {"rows": {"events.calls_20160101": 7}, "query": {"subscribers": 3}}
MANIFEST = Manifest(
    stack="one",
    created="2026-11-26T01:00:00+00:00",
    flowkit="1.34.0",
    components=("flowdb",),
    services={"flowdb": {"image": "flowkit/flowdb:local-1", "id": "sha256:1", "replicas": "1"}},
    environment=("FLOWKIT_STACK",),
    elsewhere=(),
    databases={"flowdb": DatabasePart("physical", "15.20", "12345", (ANSWERS, ANSWERS))},
    files={"flowdb.tar.age": Part(5, "0" * 64)},
)


@given(damaged(MANIFEST.encoded()))
@often(max_examples=100)
def test_a_backups_manifest_in_any_state_is_read_or_refused(tmp_path, content):
    (tmp_path / backup_manifest.MANIFEST).write_bytes(content)

    found = made_of(backup_manifest.read, tmp_path)

    if found is not None:
        assert Manifest.decoded(found.encoded(), tmp_path) == found


@pytest.mark.parametrize("read", [specification.from_file, partial(roles_file.read, today=date(2026, 1, 1))])
def test_what_is_no_file_is_refused(tmp_path, read):
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    for place in (tmp_path, tmp_path / "loop", tmp_path / "none", Path("/dev/zero")):
        assert made_of(read, place) is None
