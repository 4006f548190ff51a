"""Preflight: everything that is looked at before anything is touched; the checks are in `*_checks`, the facts in
`facts_*`.

Adding a check is a row in one of the tables, and a test that sees it fail.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor

from secrets_quickstart.catalog import components, images
from secrets_quickstart.checks import (
    custody_checks,
    data,
    engine_checks,
    image_checks,
    machine_checks,
    network_checks,
    storage_checks,
    swarm_checks,
)
from secrets_quickstart.checks.check import Check, Finding, Status, finding
from secrets_quickstart.checks.data import Data
from secrets_quickstart.checks.facts import PreflightFacts
from secrets_quickstart.checks.facts_custody import custody_facts, opened
from secrets_quickstart.checks.facts_engine import EngineFacts, client_facts, engine_facts
from secrets_quickstart.checks.facts_images import image_facts
from secrets_quickstart.checks.facts_machine import kernel_facts, machine_facts
from secrets_quickstart.checks.facts_storage import directories_of, disk_facts, hosts_facts
from secrets_quickstart.checks.facts_swarm import SwarmFacts, swarm_facts
from secrets_quickstart.checks.facts_wanted import PublishedPort, Unknown, Wanted
from secrets_quickstart.checks.network_checks import SWARM_PORTS
from secrets_quickstart.errors import EngineError, PreflightFailed, VaultError
from secrets_quickstart.host import resources
from secrets_quickstart.settings import Settings
from secrets_quickstart.swarm.engine import Engine
from secrets_quickstart.vault import Vault

SECTIONS: tuple[tuple[str, tuple[Check[PreflightFacts], ...]], ...] = (
    ("Engine", engine_checks.CHECKS),
    ("Swarm", swarm_checks.CHECKS),
    ("Network", network_checks.CHECKS),
    ("Machine", machine_checks.CHECKS),
    ("Storage", storage_checks.CHECKS),
    ("Images", image_checks.CHECKS),
    ("Custody", custody_checks.CHECKS),
)
CHECKS = tuple(check for _, checks in SECTIONS for check in checks)


def wanted(settings: Settings, chosen: Sequence[str], *, start_empty: bool = False) -> Wanted:
    """What deploying these components comes to."""
    services = [service for name in chosen for service in components.BY_NAME[name].services]
    used = {service.image for service in services}
    return Wanted(
        stack=settings.stack,
        components=tuple(chosen),
        services=tuple(service.name for service in services),
        ports=tuple(
            PublishedPort(variable, service.name, settings[variable])
            for service in services
            for variable in service.ports
        ),
        port_mode=settings["FLOWKIT_PORT_MODE"],
        endpoint_mode=settings["FLOWKIT_ENDPOINT_MODE"],
        images=settings.images,
        images_needed=tuple(row.name for row in images.IMAGES if row.name in used),
        address_pool=settings.text("FLOWKIT_ADDRESS_POOL") or "",
        memory_limits=resources.limits_beside_flowdb(settings, {service.name for service in services}),
        data_label=settings["FLOWKIT_DATA_NODE_LABEL"],
        airflow_group=settings["FLOWETL_HOST_GROUP_ID"] if "flowetl" in chosen else None,
        start_empty=start_empty,
    )


def gather(settings: Settings, chosen: Sequence[str], engine: Engine, *, start_empty: bool = False) -> PreflightFacts:
    """Everything as it is now, for deploying these components; reads only, and what is independent side by side."""
    want = wanted(settings, chosen, start_empty=start_empty)
    ports = {port.number for port in want.ports} | {port for _, port in SWARM_PORTS}
    with ThreadPoolExecutor(5) as pool:
        client = pool.submit(client_facts, engine, settings.base_environment)
        machine = pool.submit(machine_facts, ports)
        kernel = pool.submit(kernel_facts)
        vault = pool.submit(opened, settings)
        custody = pool.submit(lambda: custody_facts(settings, vault.result()))
        # one after the other: the engine's connection is not for several threads
        found = engine_facts(engine)
        swarm = swarm_facts(engine, found)
        there = isinstance(found, EngineFacts)
        pictures = image_facts(settings, want, engine) if there else Unknown("no engine answers")
        directories = directories_of(settings, chosen)
        root = found.root if isinstance(found, EngineFacts) else None
        base = settings["FLOWDB_DATA_DIR"] or root
        logs = settings["FLOWETL_HOST_LOG_DIR"] or root
        has = resources.look()
        given = {name: settings[name] for name in resources.plan_flowdb(has.memory, has.cpus, {}).values}
        beside = resources.beside_flowdb(settings, {*want.services, *_running(swarm, settings.stack)})
        return PreflightFacts(
            wanted=want,
            engine=found,
            client=client.result(),
            swarm=swarm,
            kernel=kernel.result(),
            machine=machine.result(),
            sizing=resources.plan_flowdb(
                has.memory,
                has.cpus,
                {name: value for name, value in given.items() if value is not None},
                sum(beside.values()),
            ),
            beside=beside,
            data_disk=disk_facts(base) if base is not None else Unknown("no engine says where its volumes are"),
            engine_disk=disk_facts(root) if root is not None else Unknown("no engine answers"),
            logs_disk=disk_facts(logs) if logs is not None else Unknown("no engine answers"),
            directories=directories,
            hosts=hosts_facts(settings) if "flowapi" in chosen else Unknown("FlowAPI is not deployed"),
            images=pictures,
            custody=custody.result(),
            data=data_facts(settings, chosen, engine, vault.result()) if there else (),
        )


def _running(swarm: SwarmFacts | Unknown, stack: str) -> set[str]:
    """The stack's services that are there already."""
    found = () if isinstance(swarm, Unknown) else swarm.services
    return {item.name.removeprefix(f"{stack}_") for item in found if item.stack == stack}


def data_facts(
    settings: Settings, chosen: Sequence[str], engine: Engine, vault: Vault | VaultError | None
) -> tuple[Data, ...]:
    """The databases' data and what the vault knows of it; empty when none is deployed, or it cannot be looked at."""
    if isinstance(vault, VaultError):
        return ()
    known = vault if vault is not None else Vault.in_memory()
    try:
        return tuple(data.look(engine, place, known) for place in data.places(settings, chosen))
    except EngineError:
        return ()


def run(facts: PreflightFacts) -> tuple[Finding, ...]:
    """What every check finds, in the order of the table."""
    return tuple(finding(check.name, check.judge(facts)) for check in CHECKS)


def obstacles(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    return tuple(item for item in findings if item.status is Status.OBSTACLE)


def raise_on_obstacles(findings: Iterable[Finding]) -> None:
    """Raise PreflightFailed that names every obstacle, each with what to do about it."""
    found = obstacles(findings)
    if not found:
        return
    count = "an obstacle" if len(found) == 1 else f"{len(found)} obstacles"
    lines = [f"{item.check}: {item.detail}\n    fix: {item.fix}" for item in found]
    raise PreflightFailed(
        f"preflight found {count}",
        why="\n  ".join(["", *lines]),
        fix="do what is said above, then run this again; `invoke doctor` shows all checks",
    )
