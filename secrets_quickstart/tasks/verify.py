"""`invoke verify`: whether a deployment really works.  What is asked is in `checks.verification`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from secrets_quickstart.tasks.task import task

if TYPE_CHECKING:
    from invoke.context import Context

    from secrets_quickstart.sensitive import Sensitive


@task(
    help={
        "target": "what to verify, as for deploy",
        "json": "print one JSON document",
        "token": "a file with a FlowAPI token of FlowAuth's, or - for stdin, where the vault holds no signing key",
    }
)
def verify(c: Context, target: str = "flowkit", json: bool = False, token: str | None = None) -> None:
    """Ask every service as its users would: logins, TLS, tokens, and a query with a checked number."""
    del c
    from secrets_quickstart import report
    from secrets_quickstart.checks import verification, verification_places
    from secrets_quickstart.operations.deployment import order, vault_key
    from secrets_quickstart.settings import load
    from secrets_quickstart.swarm.engine import Engine
    from secrets_quickstart.vault import Vault

    components = order(target).components
    settings = load(Path.cwd())
    vault = Vault.open(settings.vault_path, vault_key(settings))
    engine = Engine(settings.base_environment)
    given = _given(token) if token is not None else None
    findings = verification.run(verification_places.world(settings, engine, vault, given), components)
    if json:
        report.document(verification.document(findings))
    else:
        report.table(("CHECK", "STATUS", "DETAIL"), [(item.check, item.status.value, item.detail) for item in findings])
        for item in findings:
            if item.fix:
                report.say(f"{item.check}: {item.fix}")
    verification.require(findings)


def _given(file: str) -> Sensitive:
    """The token in a file.  Raises UsageError for one that cannot be read or is no token."""
    import re
    import sys

    from secrets_quickstart.errors import UsageError
    from secrets_quickstart.sensitive import Sensitive

    try:
        content = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    except OSError as error:
        raise UsageError(f"{file} cannot be read", why=error.strerror or "", fix="name the token's file") from None
    found = content.strip()
    if not re.fullmatch(rb"[\w-]+\.[\w-]+\.[\w-]+", found):
        raise UsageError(f"{file} holds no token", why="it is not of three parts", fix="download one from FlowAuth")
    return Sensitive(found)
