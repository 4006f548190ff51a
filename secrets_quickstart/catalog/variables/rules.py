"""What has to hold besides each value by itself: which names can be set, and what goes with what."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from secrets_quickstart.catalog import secrets, sources
from secrets_quickstart.catalog.variables import BY_NAME, REFUSED, VARIABLES
from secrets_quickstart.catalog.variables.quantities import Port


def fault_of_name(name: str) -> str:
    """Why this name cannot be set in `.env`, as "NAME: …"; "" if it can."""
    if name in BY_NAME:
        return ""
    if name in REFUSED:
        return f"{name}: not to be set: {REFUSED[name]}"
    for row in VARIABLES:
        if name in row.also:
            return f"{name}: set {row.name}, the services get it under both names"
    for secret in secrets.SECRETS:
        if name == secret.name:
            return f"{name}: a secret does not belong here: take it out and use `{_way_in(secret)}`"
    from difflib import get_close_matches

    near = get_close_matches(name.upper(), BY_NAME, n=1, cutoff=0.6)
    shown = ascii(name)[1:-1][:60]
    return f"{shown}: no such variable" + (f", is {near[0]} meant?" if near else "")


def _way_in(secret: secrets.Secret) -> str:
    match secret.source:
        case sources.Derived(needs=(*_, password)):
            return f"invoke secrets.import {password} -"  # it goes in by the password that is in it
        case sources.Alias(of=of):
            return _way_in(secrets.BY_NAME[of])
    return f"invoke secrets.import {secret.name} -"


def contradictions(values: Mapping[str, Any], given: Collection[str]) -> list[str]:
    """What cannot be true together, a line each.  Values that could not be read count as None."""
    found = []
    if values["FLOWKIT_PORT_MODE"] == "ingress" and values["FLOWKIT_ENDPOINT_MODE"] == "dnsrr":
        found.append(
            "FLOWKIT_PORT_MODE, FLOWKIT_ENDPOINT_MODE: Docker refuses ingress together with dnsrr: "
            "set FLOWKIT_ENDPOINT_MODE=vip too"
        )
    if {"FLOWKIT_VAULT_KEY_FILE", "FLOWKIT_VAULT_PASSPHRASE_FILE"} <= set(given):
        found.append("FLOWKIT_VAULT_KEY_FILE, FLOWKIT_VAULT_PASSPHRASE_FILE: a vault has one of them, not both")
    login = {"FLOWKIT_REGISTRY_USER", "FLOWKIT_REGISTRY_PASSWORD_FILE"} & set(given)
    if len(login) == 1:
        found.append("FLOWKIT_REGISTRY_USER, FLOWKIT_REGISTRY_PASSWORD_FILE: one is of no use without the other")
    found += [
        f"{name}: of no use without FLOWDB_DATA_DIR: PostgreSQL cannot take over a Docker volume as another user"
        for name in ("FLOWDB_HOST_USER_ID", "FLOWDB_HOST_GROUP_ID")
        if name in given and "FLOWDB_DATA_DIR" not in given
    ]
    if (values["FLOWAUTH_REPLICAS"] or 1) > 1 and values["FLOWAUTH_CACHE_BACKEND"] in {"file", "memory"}:
        found.append(
            "FLOWAUTH_REPLICAS, FLOWAUTH_CACHE_BACKEND: a two-factor code would be good once in each instance: "
            "set FLOWAUTH_CACHE_BACKEND=redis"
        )
    name = values["DOMAIN_NAME"]
    if values["FLOWAUTH_CERTIFICATE"] == "acme" and name is not None and not _can_be_vouched_for(name):
        found.append(
            f"FLOWAUTH_CERTIFICATE, DOMAIN_NAME: no ACME directory vouches for {name}: "
            "set DOMAIN_NAME to FlowAuth's own name, or FLOWAUTH_CERTIFICATE=vault"
        )
    return found + _clashing_ports(values, given)


def _can_be_vouched_for(name: str) -> bool:
    """Whether it is a name that others can look up: neither this machine's own nor an address."""
    return name.rpartition(".")[2].lower() != "localhost" and not name.replace(".", "").isdecimal()


def _clashing_ports(values: Mapping[str, Any], given: Collection[str]) -> list[str]:
    """Ports that two rows were given.  Whether a default is in the way depends on what is deployed: preflight sees."""
    taken: dict[int, str] = {}
    found = []
    for row in VARIABLES:
        port = values[row.name]
        if not (isinstance(row.kind, Port) and row.kind.published) or port is None or row.name not in given:
            continue
        if port in taken:
            found.append(f"{taken[port]}, {row.name}: both are port {port} of this machine")
        taken.setdefault(port, row.name)
    return found
