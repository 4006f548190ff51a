"""`certs.*`: the TLS certificate."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from invoke.collection import Collection
from invoke.context import Context

from secrets_quickstart import report
from secrets_quickstart.tasks.secrets_of_stack import given, open_vault
from secrets_quickstart.tasks.task import settings, task


@task(help={"json": "Print one JSON document."})
def status(_c: Context, json: bool = False) -> None:
    """Show the certificates: names, issuer, days left."""
    from secrets_quickstart.material.certificates import days_left, describe

    vault = open_vault(settings())
    now = datetime.now(UTC)
    rows = []
    for name in ("ca-flowkit.pem", "cert-flowkit.pem", "cert-flowauth.pem"):
        if name in vault:
            facts = describe(vault.value(name))
            expires = f"{facts.not_after:%Y-%m-%d}"
            origin = str(vault.entry(name).origin)
            rows.append((name, ", ".join(facts.names), facts.issuer, expires, days_left(facts, now), origin))
    if json:
        keys = ("name", "names", "issuer", "expires", "days_left", "origin")
        report.document([dict(zip(keys, row, strict=True)) for row in rows])
        return
    report.table(("CERTIFICATE", "NAMES", "ISSUER", "EXPIRES", "DAYS LEFT", "ORIGIN"), rows)


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


@task()
def renew(_c: Context) -> None:
    """Acquire a new certificate for FlowAuth by ACME now; the edge does so by itself in good time."""
    from secrets_quickstart.operations.renewal import renew as acquire

    acquire(settings(), report.say)
    report.result("the new certificate is served")


ns = Collection("certs", status, install, renew)
