"""The checks of the swarm, its nodes, and what others have in it; not of its secrets (`custody_checks`)."""

from __future__ import annotations

from secrets_quickstart.catalog.components import SERVICES
from secrets_quickstart.checks.check import Check, Obstacle, Ok, Outcome, Skip, Warn
from secrets_quickstart.checks.conditions import with_engine, with_swarm
from secrets_quickstart.checks.facts import PreflightFacts
from secrets_quickstart.checks.facts_engine import EngineFacts
from secrets_quickstart.checks.facts_swarm import NodeFacts, SwarmFacts

UNLOCK = "unlock it: docker swarm unlock (the key is with whoever turned autolock on)"
MAJORITY = (
    "start the other managers; if they are gone for good: docker swarm init --force-new-cluster (workers join anew)"
)


@with_engine
def swarm_state(_facts: PreflightFacts, engine: EngineFacts) -> Outcome:
    found = engine.membership
    match found.state:
        case "inactive":
            return Ok("none yet; the deployment makes one of this node")
        case "locked":
            return Obstacle("this manager is locked", UNLOCK)
        case "pending":
            return Obstacle("this node waits to be let into a swarm", "see that the manager it asked is reachable")
        case "error":
            return Obstacle(
                f"this node cannot take part in its swarm: {found.error or 'it does not say why'}",
                "see the engine's log, then mend that, or leave for good: docker swarm leave --force",
            )
        case "active" if not found.manager:
            return Obstacle("this node is a worker", "run this on a manager, or: docker node promote <this node>")
        case "active" if found.error:
            fix = MAJORITY if "leader" in found.error or "deadline" in found.error.lower() else "see the engine's log"
            return Obstacle(f"the swarm does not work: {found.error}", fix)
        case "active":
            return Ok("this node is a manager")
    return Obstacle(f"the engine says {found.state!r} about its swarm", "see the engine's log")


def _takes_tasks(node: NodeFacts) -> bool:
    return node.ready and node.active


@with_swarm
def nodes(_facts: PreflightFacts, swarm: SwarmFacts) -> Outcome:
    if not swarm.nodes:
        return Skip("there is no swarm yet")
    down = [node.name for node in swarm.nodes if not node.ready]
    paused = [node.name for node in swarm.nodes if node.ready and not node.active]
    if not any(map(_takes_tasks, swarm.nodes)):
        return Obstacle(
            "no node takes tasks: " + ", ".join(down + paused),
            f"docker node update --availability active {(paused or down)[0]}",
        )
    if down:
        return Warn(f"not ready: {', '.join(down)}", "start Docker there, or: docker node rm --force <node>")
    return Ok(f"{len(swarm.nodes)}, of which {sum(map(_takes_tasks, swarm.nodes))} take tasks")


@with_swarm
def managers(_facts: PreflightFacts, swarm: SwarmFacts) -> Outcome:
    found = [node for node in swarm.nodes if node.manager]
    lost = [node.name for node in found if not node.reachable]
    if lost:
        return Warn(
            f"managers that the others do not reach: {', '.join(lost)}",
            "bring them back, or: docker node demote, then rm",
        )
    if found and len(found) % 2 == 0:
        return Warn(
            f"{len(found)} managers survive no more losses than {len(found) - 1} would",
            "promote or demote one: an odd number is best",
        )
    return Ok(f"{len(found)}") if found else Skip("there is no swarm yet")


@with_swarm
def data_node(facts: PreflightFacts, swarm: SwarmFacts) -> Outcome:
    label = facts.wanted.data_label
    if not label:
        return Skip("FlowDB is not deployed")
    if len(swarm.nodes) <= 1:
        return Ok("the only node there is")
    chosen = [node for node in swarm.nodes if node.labels.get(label) == "true"]
    if len(chosen) != 1:
        found = ", ".join(node.name for node in chosen) or "none"
        return Obstacle(
            f"FlowDB's data is on one node, and {label}=true is on: {found}",
            f"docker node update --label-add {label}=true <the node>, and --label-rm {label} on all others",
        )
    if not _takes_tasks(chosen[0]):
        return Obstacle(
            f"{chosen[0].name}, which has FlowDB's data, takes no tasks",
            f"start it, or: docker node update --availability active {chosen[0].name}",
        )
    return Ok(chosen[0].name)


@with_swarm
def images_everywhere(facts: PreflightFacts, swarm: SwarmFacts) -> Outcome:
    if len(swarm.nodes) <= 1:
        return Ok("one node has all images")
    if facts.wanted.images == "local":
        return Warn(
            f"local images are on this node only, and the swarm has {len(swarm.nodes)}",
            "load them on every node (docker save | docker load), or push them to a registry (FLOWKIT_REGISTRY)",
        )
    return Ok("every node pulls its own")


@with_swarm
def node_links(_facts: PreflightFacts, swarm: SwarmFacts) -> Outcome:
    if len(swarm.nodes) <= 1:
        return Skip("there are no other nodes")
    if swarm.unreachable:
        return Obstacle(
            f"other nodes do not accept connections: {', '.join(swarm.unreachable)}",
            "open 2377/tcp (managers), 7946/tcp+udp and 4789/udp between the nodes",
        )
    return Ok("2377/tcp and 7946/tcp answer on the other nodes")


@with_swarm
def node_address(facts: PreflightFacts, swarm: SwarmFacts) -> Outcome:
    address = getattr(getattr(facts.engine, "membership", None), "address", "")
    if not swarm.nodes or not address or not facts.machine.addresses:
        return Skip("there is no swarm yet")
    if address in facts.machine.addresses:
        if len(swarm.nodes) > 1 and address.startswith("127."):
            return Warn(f"the swarm knows this node as {address}", "leave and join anew with --advertise-addr")
        return Ok(address)
    detail = f"the swarm knows this node as {address}, which is no address of it any more"
    fix = "give the machine its address back, or: docker swarm init --force-new-cluster --advertise-addr <new>"
    return Obstacle(detail, fix) if len(swarm.nodes) > 1 else Warn(detail, fix)


@with_swarm
def service_names(facts: PreflightFacts, swarm: SwarmFacts) -> Outcome:
    stack = facts.wanted.stack
    ours = {f"{stack}_{service}" for service in facts.wanted.services}
    clashing = sorted(item.name for item in swarm.services if item.name in ours and item.stack != stack)
    if clashing:
        return Obstacle(
            f"not of this stack, but of these names: {', '.join(clashing)}",
            f"docker service rm {clashing[0]}, or choose another FLOWKIT_STACK",
        )
    known = {f"{stack}_{service}" for service in SERVICES}
    strange = sorted(item.name for item in swarm.services if item.stack == stack and item.name not in known)
    if strange:
        return Warn(
            f"the stack {stack} also holds what is not FlowKit's: {', '.join(strange)}",
            "choose another FLOWKIT_STACK if somebody else uses this name",
        )
    return Ok("no service of another has our names")


@with_swarm
def network_names(facts: PreflightFacts, swarm: SwarmFacts) -> Outcome:
    prefix = f"{facts.wanted.stack}_"
    clashing = sorted(
        item.name for item in swarm.networks if item.name.startswith(prefix) and item.stack != facts.wanted.stack
    )
    if clashing:
        return Obstacle(
            f"networks that stack deploy would take for its own: {', '.join(clashing)}",
            f"docker network rm {clashing[0]}, or choose another FLOWKIT_STACK",
        )
    return Ok("no network of another has our names")


@with_swarm
def volume_names(facts: PreflightFacts, swarm: SwarmFacts) -> Outcome:
    stack = facts.wanted.stack
    prefixes = tuple(f"{stack}_{service}_" for service in facts.wanted.services)
    clashing = sorted(item.name for item in swarm.volumes if item.name.startswith(prefixes) and item.stack != stack)
    if clashing:
        return Warn(
            f"volumes of our names that this stack did not make: {', '.join(clashing)}",
            "see what is in them; choose another FLOWKIT_STACK unless it is your data",
        )
    return Ok("no volume of another has our names")


CHECKS = (
    Check("swarm", "Is this node a working manager, or in no swarm yet?", swarm_state),
    Check("swarm-nodes", "Are there nodes that take tasks?", nodes),
    Check("swarm-managers", "Is the swarm safe against the loss of a manager?", managers),
    Check("swarm-node-address", "Does the swarm know this node by an address that it has?", node_address),
    Check("swarm-node-links", "Do the nodes reach each other?", node_links),
    Check("data-node", "Does exactly one node hold FlowDB's data?", data_node),
    Check("images-on-nodes", "Will every node have the images?", images_everywhere),
    Check("names-services", "Are the services' names ours?", service_names),
    Check("names-networks", "Are the networks' names ours?", network_names),
    Check("names-volumes", "Are the volumes' names ours?", volume_names),
)
