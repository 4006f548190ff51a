"""`certs.*`: the TLS certificate."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from invoke.collection import Collection
from invoke.context import Context
from invoke.exceptions import Exit

from secrets_quickstart import report
from secrets_quickstart.tasks.inputs import given, open_vault
from secrets_quickstart.tasks.task import settings, task

if TYPE_CHECKING:
    from secrets_quickstart.operations.certificates import Row


EXPIRING = 2
ENDED = 5


@task(help={"json": "Print one JSON document."})
def status(_c: Context, json: bool = False) -> None:
    """Show the certificates: names, issuer, days left (exit status 2 if one ends soon, 5 if one does not serve)."""
    from secrets_quickstart.operations import certificates

    chosen = settings()
    rows = certificates.look(chosen, open_vault(chosen))
    if json:
        report.document([row.document() for row in rows])
    else:
        columns = ("CERTIFICATE", "NAMES", "ISSUER", "EXPIRES", "DAYS LEFT", "ORIGIN")
        cells = [(r.name, ", ".join(r.names), r.issuer, r.expires, _days(r), r.origin) for r in rows]
        report.table(columns, cells)
    warn(rows)
    if not all(row.serves for row in rows):
        raise Exit(code=ENDED)
    if any(row.warning for row in rows):
        raise Exit(code=EXPIRING)


def _days(row: Row) -> str:
    return "" if row.days_left is None else str(row.days_left)


def warn(rows: Iterable[Row]) -> None:
    """Say which of them end soon or do not serve, and what to do."""
    for row in rows:
        if row.warning:
            report.say(f"warning: {row.warning} ({row.fix})")


@task(
    positional=["certificate", "key"],
    help={
        "certificate": "PEM: yours, then those that signed it.",
        "key": "PEM: its private key.",
        "flowauth": "For FlowAuth, in place of FlowAPI.",
    },
)
def install(_c: Context, certificate: str, key: str, flowauth: bool = False) -> None:
    """Use a certificate and key of your own (they must match, be valid now, and be for your names)."""
    from secrets_quickstart.operations.imports import install_certificate, row_of

    chosen = settings()
    row = row_of("cert-flowauth.pem" if flowauth else "cert-flowkit.pem")
    if not install_certificate(chosen, row, given(certificate), given(key)):
        report.result("nothing to do: the vault holds this certificate and key already")
    elif flowauth and chosen["FLOWAUTH_CERTIFICATE"] == "acme":
        report.result(
            f"{Path(certificate).name} is in the vault, and served once FLOWAUTH_CERTIFICATE=vault is deployed"
        )
    else:
        user = "FlowAuth" if flowauth else "FlowAPI"
        report.result(f"{Path(certificate).name} is in the vault; the next deploy brings it to {user}")


@task(help={"name": "cert-flowkit.pem or cert-flowauth.pem; all that are not yours if not given."})
def renew(_c: Context, name: str = "") -> None:
    """Issue our own certificates anew for the same keys and serve them; FlowAuth's by ACME where it is from there."""
    from secrets_quickstart.operations import certificates

    done = certificates.renew(settings(), name, "invoke certs.renew", report.say)
    served = "served" if done.deployed else "in the vault; the next deploy brings it to who serves it"
    for issued in done.issued:
        report.result(f"a new {issued} is {served}")
    if done.acquired:
        report.result("the new certificate of FlowAuth is served")


ns = Collection("certs", status, install, renew)
