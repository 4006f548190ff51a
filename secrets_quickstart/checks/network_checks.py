"""The checks of ports, addresses and what the kernel has for networks.

That port mode and endpoint mode go together is seen to when the settings are read.
"""

from __future__ import annotations

import ipaddress

from secrets_quickstart.checks.check import Check, Obstacle, Ok, Outcome, Skip, Warn
from secrets_quickstart.checks.conditions import on_this_machine, with_engine, with_swarm
from secrets_quickstart.checks.facts import PreflightFacts
from secrets_quickstart.checks.facts_engine import EngineFacts
from secrets_quickstart.checks.facts_swarm import NetworkFacts, SwarmFacts
from secrets_quickstart.checks.facts_wanted import PublishedPort

SWARM_PORTS = (("tcp", 2377), ("tcp", 7946), ("udp", 7946), ("udp", 4789))
OVERLAY_MTU = 1450
"""What Docker gives an overlay network, and what VXLAN makes of Ethernet's 1500."""
DOCKER_POOL = "10.0.0.0/8"
"""Where a swarm takes its networks from when nobody said otherwise."""


def _holder(facts: PreflightFacts, swarm: SwarmFacts, port: PublishedPort) -> str:
    """Who else has the port; "" when it is free, or the service's own already."""
    wanted = facts.wanted
    publications = [item for item in swarm.publications if item.port == port.number and item.protocol == "tcp"]
    for item in publications:
        if item.stack != wanted.stack:
            return f"{item.holder} of the stack {item.stack}" if item.stack else f"the container {item.holder}"
        service = item.holder.removeprefix(f"{wanted.stack}_").split(".")[0]
        if service != port.service and service not in wanted.services:
            return f"{item.holder}, which this deployment leaves as it is"
    for listener in facts.machine.listeners:
        if (listener.protocol, listener.port) != ("tcp", port.number) or (publications and listener.docker):
            continue
        if publications and not listener.process:
            continue  # without root nobody is told whose it is: Docker's, then
        return listener.process or "a process of another user"
    return ""


@with_swarm
def ports_free(facts: PreflightFacts, swarm: SwarmFacts) -> Outcome:
    first: dict[int, PublishedPort] = {}
    for port in facts.wanted.ports:
        other = first.setdefault(port.number, port)
        if other is not port:
            both = f"{other.variable} and {port.variable} are both {port.number}"
            return Obstacle(both, f"give {port.variable} another number in .env")
    held = [(port, _holder(facts, swarm, port)) for port in facts.wanted.ports]
    taken = [f"{port.number} ({port.variable}) is held by {holder}" for port, holder in held if holder]
    if taken:
        variable = next(port.variable for port, holder in held if holder)
        return Obstacle("; ".join(taken), f"stop that, or give {variable} another number in .env")
    return Ok(", ".join(f"{port.number} {port.service}" for port in facts.wanted.ports))


@on_this_machine
def ports_lasting(facts: PreflightFacts) -> Outcome:
    limits = facts.machine.ephemeral_ports
    if limits is None:
        return Skip("the kernel does not say which ports it gives away")
    low, high = limits
    inside = [port for port in facts.wanted.ports if low <= port.number <= high]
    if inside:
        named = ", ".join(f"{port.variable}={port.number}" for port in inside)
        return Warn(
            f"the kernel gives {low} to {high} to outgoing connections, so one may have it at the next start: {named}",
            f"choose ports below {low}, or add them to net.ipv4.ip_local_reserved_ports",
        )
    return Ok(f"outside {low} to {high}")


@with_engine
def swarm_ports(facts: PreflightFacts, engine: EngineFacts) -> Outcome:
    if engine.membership.state == "active":
        return Ok("the swarm has them")
    if not engine.local:
        return Skip("the engine is on another machine")
    # the engine and its VXLAN devices let go of a swarm that was left only a moment later, and take them again
    taken = [
        f"{item.port}/{item.protocol} by {item.process or 'a process of another user'}"
        for item in facts.machine.listeners
        if (item.protocol, item.port) in SWARM_PORTS and not item.docker
    ]
    if taken:
        return Obstacle(f"ports that a swarm needs are held: {', '.join(taken)}", "stop what holds them")
    return Ok("2377, 7946 and 4789 are free")


def _kernel(facts: PreflightFacts, needed: tuple[str, ...], purpose: str, fix: str) -> Outcome:
    lacking = [name for name in needed if facts.kernel.features.get(name) is False]
    unclear = [name for name in needed if facts.kernel.features.get(name) is None]
    if lacking:
        return Obstacle(f"the kernel {facts.kernel.release} has no {', '.join(lacking)}: {purpose}", fix)
    if unclear:
        return Warn(
            f"it cannot be told whether the kernel has {', '.join(unclear)}: {purpose}",
            f"try it: modprobe {unclear[0]}",
        )
    return Ok(", ".join(needed))


@on_this_machine
def kernel_overlay(facts: PreflightFacts) -> Outcome:
    return _kernel(
        facts,
        ("vxlan", "bridge", "veth"),
        "the services' networks are made of them",
        "boot your distribution's standard kernel",
    )


@on_this_machine
def kernel_ipvs(facts: PreflightFacts) -> Outcome:
    wanted = facts.wanted
    if wanted.endpoint_mode != "vip" and wanted.port_mode != "ingress":
        return Ok("not needed with host ports and dnsrr")
    return _kernel(
        facts,
        ("ip_vs",),
        "virtual addresses and ingress ports go through it",
        "set FLOWKIT_PORT_MODE=host and FLOWKIT_ENDPOINT_MODE=dnsrr",
    )


@with_engine
def forwarding(_facts: PreflightFacts, engine: EngineFacts) -> Outcome:
    if not engine.ipv4_forwarding:
        return Obstacle(
            "the kernel forwards no IPv4 packets, so no container is reached from outside",
            "sysctl -w net.ipv4.ip_forward=1, and put it into /etc/sysctl.d",
        )
    if not engine.bridge_netfilter:
        return Warn(
            "bridged packets do not pass the firewall (bridge-nf-call-iptables is off): published ports may not answer",
            "modprobe br_netfilter, then sysctl -w net.bridge.bridge-nf-call-iptables=1",
        )
    return Ok("on")


def _overlaps(facts: PreflightFacts, subnet: str) -> list[str]:
    network = ipaddress.ip_network(subnet)
    return [f"{route} ({interface})" for interface, route in facts.machine.routes if route.overlaps(network)]


def _wide(network: NetworkFacts) -> bool:
    return network.scope == "swarm" and network.driver == "overlay"


@on_this_machine
@with_swarm
def subnets(facts: PreflightFacts, swarm: SwarmFacts) -> Outcome:
    clashes = [
        f"{network.name} {subnet} with {', '.join(routes)}"
        for network in filter(_wide, swarm.networks)
        for subnet in network.subnets
        if ":" not in subnet and (routes := _overlaps(facts, subnet))
    ]
    if clashes:
        return Obstacle(
            f"networks of the swarm lie where this machine has routes: {'; '.join(clashes)}",
            "remove that network and make it anew with a free --subnet, or move the route",
        )
    return Ok("no network of the swarm lies on one of the machine's routes")


@with_engine
def address_pool(facts: PreflightFacts, engine: EngineFacts) -> Outcome:
    if not engine.local:
        return Skip("the engine is on another machine")
    joined = engine.membership.state == "active"
    pools = (engine.address_pools or (DOCKER_POOL,)) if joined else (facts.wanted.address_pool or DOCKER_POOL,)
    clashes = [f"{pool} with {', '.join(routes)}" for pool in pools if (routes := _overlaps(facts, pool))]
    if clashes and not joined:
        return Obstacle(
            f"the new swarm's addresses are in use here: {'; '.join(clashes)}",
            "set FLOWKIT_ADDRESS_POOL to a private range that your site does not use",
        )
    if clashes:
        return Warn(
            f"the swarm takes addresses from where this machine has routes: {'; '.join(clashes)}",
            "a swarm keeps its pool for life: make a new one with --default-addr-pool when it gets in the way",
        )
    return Ok(", ".join(pools))


@on_this_machine
@with_swarm
def mtu(facts: PreflightFacts, swarm: SwarmFacts) -> Outcome:
    if len(swarm.nodes) <= 1:
        return Skip("there are no other nodes")
    if facts.machine.mtu is None:
        return Skip("no interface leads out")
    if facts.machine.mtu < OVERLAY_MTU + 50:
        return Warn(
            f"packets between nodes may have {facts.machine.mtu} bytes, and overlay networks want 1500: "
            "large answers will hang",
            f"give the networks com.docker.network.driver.mtu={facts.machine.mtu - 50}, or raise the MTU",
        )
    return Ok(str(facts.machine.mtu))


CHECKS = (
    Check("ports-free", "Is every published port free, or ours already?", ports_free),
    Check("ports-lasting", "Will no outgoing connection take one of them?", ports_lasting),
    Check("ports-swarm", "Can a swarm have its ports?", swarm_ports),
    Check("kernel-overlay", "Can the kernel make overlay networks?", kernel_overlay),
    Check("kernel-ipvs", "Does it have IPVS, if the chosen modes need it?", kernel_ipvs),
    Check("ip-forwarding", "Does it forward packets to containers?", forwarding),
    Check("subnets", "Do the swarm's networks keep clear of the machine's routes?", subnets),
    Check("address-pool", "And those to come?", address_pool),
    Check("mtu", "Do packets of overlay networks fit between the nodes?", mtu),
)
