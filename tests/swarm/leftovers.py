"""What a killed run of the tests left on this machine, and taking it away; no test is here.

Known by its names (`OURS`) or its label (`TESTS`): nothing else is touched.  Plain containers of tests that know no
stack have names of their own each time, so that nobody meets them again.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from secrets_quickstart.catalog.labels import MADE_BY, STACK
from secrets_quickstart.host import hosts_file
from secrets_quickstart.swarm import containers, volumes
from secrets_quickstart.swarm.engine import Engine
from secrets_quickstart.swarm.services import NAMESPACE
from secrets_quickstart.swarm.watching import remove_and_wait
from tests.swarm.machine import OURS, TESTS

LOCK = Path("/run/flowkit-selftest.lock")
HOSTS = Path("/etc/hosts")


@contextmanager
def none() -> Iterator[Callable[[], bool]]:
    """Meanwhile nothing is here of an earlier run.  Runs at the same time leave each other's alone.

    Gives how to ask, at the end, whether all others have ended.
    """
    with LOCK.open("a") as lock:

        def is_alone() -> bool:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            return True

        if is_alone():  # else another run lives: what is here may be its
            take_away(Engine(os.environ))
        fcntl.flock(lock, fcntl.LOCK_SH)
        yield is_alone


def take_away(engine: Engine, prefix: str = OURS, hosts: Path = HOSTS) -> None:
    """End, remove and undo all that is called `prefix...`, and the swarm if the tests made it and nobody uses it."""
    _end_processes(prefix)
    _remove_hosts_entries(hosts, prefix)
    in_swarm = engine.membership().usable
    found = _in_the_swarm(engine, prefix) if in_swarm else False
    made = [item["Name"] for item in engine.api.volumes()["Volumes"] or () if item["Name"].startswith(prefix)]
    for item in engine.api.containers(all=True):
        mounts = {mount.get("Name") for mount in item["Mounts"]}
        if mounts & {*made} or any(name.removeprefix("/").startswith(prefix) for name in item["Names"] or ()):
            containers.discard(engine, item["Id"])
    for name in made:
        volumes.remove(engine, name)
    if in_swarm and _is_made_for_tests(engine, found=found) and not strangers(engine.api):
        engine.api.leave_swarm(force=True)


def strangers(api: Any) -> list[str]:
    """What is in the swarm and not the tests': names of services, secrets, configs and other nodes."""
    held = [item["Spec"] for item in (*api.services(), *api.secrets(), *api.configs())]
    nodes = [item["Description"]["Hostname"] for item in api.nodes()]
    return [spec["Name"] for spec in held if not _is_ours(spec, OURS)] + (nodes if len(nodes) > 1 else [])


def _end_processes(prefix: str) -> None:
    """What the tests start lives on without them, and would bring back what is taken away: a child of init then.

    The children of a living run are left to it; it may be at work on another engine.
    """
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.ppid() == 1 and process.environ().get("FLOWKIT_STACK", "").startswith(prefix):
                for each in (process, *process.children(recursive=True)):
                    each.kill()
                process.wait(10)


def _remove_hosts_entries(hosts: Path, prefix: str) -> None:
    before = after = hosts_file.read(hosts)
    for stack in set(re.findall(rf"^# BEGIN {hosts_file.OWNER} ({prefix}\S*)", before.decode("latin-1"), re.MULTILINE)):
        after = hosts_file.without_entries(after, stack)
    hosts_file.write(hosts, before, after, fix="take the block out with an editor")


def _in_the_swarm(engine: Engine, prefix: str) -> bool:
    """Remove services, networks and secrets; whether there were any."""
    api = engine.api
    services = [item for item in api.services() if item["Spec"]["Name"].startswith(prefix)]
    for item in services:
        api.remove_service(item["ID"])
    networks = [item for item in api.networks() if item["Name"].startswith(prefix)]
    listed = [*(item["Spec"] for item in services), *api.containers(all=True), *networks]
    stacks = {(item["Labels"] or {}).get(NAMESPACE, "") for item in listed}
    for stack in sorted(stack for stack in stacks if stack.startswith(prefix)):
        remove_and_wait(engine, stack, deadline=120, tell=lambda _: None)
    secrets = [item for item in api.secrets() if _is_ours(item["Spec"], prefix)]
    for item in secrets:
        api.remove_secret(item["ID"])
    return bool(services or networks or secrets)


def _is_ours(spec: dict[str, Any], prefix: str) -> bool:
    labels = spec["Labels"] or {}
    return TESTS in labels or any(name.startswith(prefix) for name in (spec["Name"], labels.get(STACK, "")))


def _is_made_for_tests(engine: Engine, *, found: bool) -> bool:
    """By the tests themselves, or for one of their stacks: a swarm that was made for an operator's has none of them."""
    labels = engine.api.inspect_swarm()["Spec"]["Labels"] or {}
    return TESTS in labels or (found and MADE_BY in labels)
