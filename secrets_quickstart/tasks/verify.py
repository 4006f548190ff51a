"""`verify`: whether a deployment really works.  What is asked is in `checks.verification`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from invoke.context import Context

from secrets_quickstart import report
from secrets_quickstart.catalog.targets import TARGETS
from secrets_quickstart.tasks.inputs import given
from secrets_quickstart.tasks.task import settings, task

if TYPE_CHECKING:
    from secrets_quickstart.sensitive import Sensitive


@task(
    help={
        "target": f"What is to be verified: {', '.join(row.name for row in TARGETS)} (what is deployed if not given).",
        "json": "Print one JSON document.",
        "token": "A file with a token of FlowAuth's (- for stdin), for where the vault holds no signing key.",
    }
)
def verify(_c: Context, target: str = "", json: bool = False, token: str = "") -> None:
    """Ask every service as its users would: logins, TLS, tokens, a query with a checked number (exit status 5)."""
    from secrets_quickstart.checks import verification, verification_places
    from secrets_quickstart.operations import status
    from secrets_quickstart.operations.deployment import order
    from secrets_quickstart.swarm.engine import Engine
    from secrets_quickstart.vault import Vault, key_of

    chosen = settings()
    engine = Engine(chosen.base_environment)
    components = order(target).components if target else status.deployed(engine, chosen.stack)
    bearer = _token(token) if token else None
    vault = Vault.open(chosen.vault_path, key_of(chosen))
    world = verification_places.world(chosen, engine, vault, bearer, report.say)
    findings = verification.run(world, components)
    if json:
        report.document({"target": target or None, **verification.document(findings)})
    else:
        report.table(("CHECK", "STATUS", "DETAIL"), [(item.check, item.status.value, item.detail) for item in findings])
        for item in findings:
            if item.fix:
                report.result(f"fix for {item.check}: {item.fix}")
    verification.require(findings)


def _token(file: str) -> Sensitive:
    """The token in a file.  Raises UsageError for one that cannot be read or holds something else."""
    import re

    from secrets_quickstart.errors import UsageError
    from secrets_quickstart.sensitive import Sensitive

    token = given(file).reveal().strip()
    if not re.fullmatch(rb"[\w-]+\.[\w-]+\.[\w-]+", token):
        raise UsageError(
            f"{file} holds no token", why="one has three parts with dots", fix="copy it from FlowAuth anew"
        )
    return Sensitive(token)
