"""What the checks of the engine and of the swarm find wanting, and what they let pass."""

from __future__ import annotations

from dataclasses import replace

from secrets_quickstart.checks.facts_engine import ClientFacts
from secrets_quickstart.checks.facts_swarm import NetworkFacts, Owned, SwarmFacts
from secrets_quickstart.checks.facts_wanted import Unknown
from secrets_quickstart.swarm.engine import SwarmMembership
from tests.preflight_facts import DATA_HERE, HERE, THERE, fine, obstacle, skipped, warning


def member(state: str, *, manager: bool = False, error: str = "") -> SwarmMembership:
    return SwarmMembership(state, manager=manager, error=error, node_id="n1", address="192.0.2.1")


NO_ENGINE = Unknown("no Docker Engine answers: permission denied", "run as root")
SECOND_MANAGER = replace(THERE, manager=True)

CASES = (
    obstacle("engine", "permission denied", engine=NO_ENGINE),
    skipped("engine-version", "no engine answers", engine=NO_ENGINE),
    obstacle("engine-version", "19.3", engine__version=(19, 3, 15)),
    obstacle("engine-version", "API 1.40", engine__api=(1, 40)),
    obstacle("engine-platform", "windows", engine__os_type="windows"),
    warning("engine-platform", "aarch64", engine__architecture="aarch64", wanted__images="official"),
    fine("engine-platform", "aarch64", engine__architecture="aarch64"),
    obstacle("engine-rootless", "rootless", engine__rootless=True),
    obstacle(
        "engine-live-restore", "live-restore is on", engine__live_restore=True, engine__membership=member("inactive")
    ),
    fine("engine-live-restore", "", engine__live_restore=True),
    warning("engine-storage", "vfs", engine__storage_driver="vfs"),
    warning("engine-limits", "memory and CPU", engine__memory_limits=False, engine__cpu_limits=False),
    warning("engine-selinux", "SELinux", engine__selinux=True),
    fine("engine-selinux", "", engine__selinux=True, directories=()),
    warning("engine-open-files", "1024", engine__open_files=1024),
    skipped("engine-open-files", "cannot be read", engine__open_files=None),
    warning("engine-clock", "12 s ahead", engine__skew=12.0),
    obstacle("engine-clock", "3600 s behind", engine__skew=-3600.0),
    obstacle("docker-command", "no docker command", client=Unknown("there is no docker command", "install it")),
    obstacle("docker-command", "19.3", client__version=(19, 3)),
    obstacle("docker-command", "stack deploy", client__deploys_stacks=False),
    obstacle("docker-command-engine", "another engine", client__engine_id="E2"),
    obstacle(
        "docker-command-engine",
        "Cannot connect",
        client=ClientFacts("docker", (28,), deploys_stacks=True, engine_id="", reason="Cannot connect"),
    ),
    skipped(
        "docker-command-engine",
        "answering in time",
        client__engine_id="",
        engine__membership=member("active", manager=True, error="rpc error: code = DeadlineExceeded"),
    ),
    skipped("docker-command-engine", "no docker command", client=Unknown("there is no docker command")),
    fine("swarm", "makes one", engine__membership=member("inactive")),
    obstacle("swarm", "locked", engine__membership=member("locked")),
    obstacle("swarm", "waits", engine__membership=member("pending")),
    obstacle("swarm", "certificate expired", engine__membership=member("error", error="certificate expired")),
    obstacle("swarm", "worker", engine__membership=member("active")),
    obstacle(
        "swarm", "leader", engine__membership=member("active", manager=True, error="The swarm does not have a leader")
    ),
    obstacle("swarm", "'confused'", engine__membership=member("confused")),
    obstacle("swarm-nodes", "no node takes tasks: one", swarm__nodes=(replace(DATA_HERE, active=False),)),
    warning("swarm-nodes", "not ready: two", swarm__nodes=(DATA_HERE, replace(THERE, ready=False))),
    skipped("swarm-nodes", "no swarm yet", swarm=SwarmFacts()),
    skipped("swarm-nodes", "cannot be read", swarm=Unknown("no leader")),
    warning("swarm-managers", "do not reach: two", swarm__nodes=(HERE, replace(SECOND_MANAGER, reachable=False))),
    warning("swarm-managers", "2 managers", swarm__nodes=(HERE, SECOND_MANAGER)),
    warning("swarm-node-address", "no address of it", machine__addresses=("192.0.2.77",)),
    obstacle(
        "swarm-node-address", "no address of it", machine__addresses=("192.0.2.77",), swarm__nodes=(DATA_HERE, THERE)
    ),
    warning(
        "swarm-node-address",
        "127.0.0.1",
        engine__membership=SwarmMembership("active", manager=True, error="", node_id="n1", address="127.0.0.1"),
        swarm__nodes=(DATA_HERE, THERE),
    ),
    obstacle("swarm-node-links", "two:7946", swarm__nodes=(DATA_HERE, THERE), swarm__unreachable=("two:7946",)),
    fine("swarm-node-links", "", swarm__nodes=(DATA_HERE, THERE)),
    obstacle("data-node", "is on: none", swarm__nodes=(HERE, THERE)),
    obstacle("data-node", "one, two", swarm__nodes=(DATA_HERE, replace(THERE, labels=DATA_HERE.labels))),
    obstacle("data-node", "takes no tasks", swarm__nodes=(replace(DATA_HERE, active=False), THERE)),
    fine("data-node", "one", swarm__nodes=(DATA_HERE, THERE)),
    skipped("data-node", "not deployed", wanted__data_label=""),
    warning("images-on-nodes", "this node only", swarm__nodes=(DATA_HERE, THERE)),
    fine("images-on-nodes", "pulls", swarm__nodes=(DATA_HERE, THERE), wanted__images="official"),
    obstacle("names-services", "flowkit_flowdb", swarm__services=(Owned("flowkit_flowdb", ""),)),
    warning("names-services", "flowkit_shop", swarm__services=(Owned("flowkit_shop", "flowkit"),)),
    obstacle(
        "names-networks",
        "flowkit_redis",
        swarm__networks=(NetworkFacts("flowkit_redis", "", "overlay", "swarm", ()),),
    ),
    warning("names-volumes", "flowkit_flowdb_data", swarm__volumes=(Owned("flowkit_flowdb_data", "other"),)),
    fine("names-volumes", "", swarm__volumes=(Owned("flowkit_backups", ""),)),
)
