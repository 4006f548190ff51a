"""What the checks of ports, addresses and the kernel find wanting, and what they let pass."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Network

from secrets_quickstart.checks.facts_machine import FEATURES, KernelFacts, Listener
from secrets_quickstart.checks.facts_swarm import NetworkFacts, Publication
from secrets_quickstart.checks.facts_wanted import PublishedPort
from tests.preflight_cases_engine import NO_ENGINE, member
from tests.preflight_facts import DATA_HERE, SOUND, THERE, fine, obstacle, skipped, warning

HIGH = (PublishedPort("FLOWAPI_HOST_PORT", "flowapi", 40000),)
TWICE = (PublishedPort("FLOWETL_HOST_PORT", "flowetl_webserver", 8080), PublishedPort("EDGE_HTTP_PORT", "edge", 8080))
NGINX = Listener("tcp", 9090, "nginx (pid 7)")
PROXY = Listener("tcp", 6379, "docker-proxy (pid 8)")
SWARM_ELSEWHERE = Listener("tcp", 2377, "etcd (pid 9)")
OTHERS = Publication(9090, "tcp", "shop_web", "shop")
BY_HAND = Publication(9090, "tcp", "web", "")
OURS_NOW = Publication(9090, "tcp", "flowkit_flowauth", "flowkit")
MOVING = Publication(9090, "tcp", "flowkit_redis", "flowkit")
SITE = (("eth0", IPv4Network("10.88.0.0/20")),)
LOCAL_BRIDGE = NetworkFacts("bridge", "", "bridge", "local", ("192.0.2.0/24",))


def kernel(**features: bool | None) -> KernelFacts:
    return KernelFacts("6.1.0", {**dict.fromkeys(FEATURES, True), **features})


CASES = (
    obstacle("ports-free", "9090 (FLOWAPI_HOST_PORT) is held by nginx (pid 7)", machine__listeners=(NGINX,)),
    obstacle("ports-free", "another user", machine__listeners=(replace(NGINX, process=""),)),
    obstacle("ports-free", "shop_web of the stack shop", swarm__publications=(OTHERS,)),
    obstacle("ports-free", "the container web", swarm__publications=(BY_HAND,)),
    obstacle("ports-free", "leaves as it is", swarm__publications=(OURS_NOW,)),
    obstacle(
        "ports-free",
        "redis-server",
        machine__listeners=(Listener("tcp", 6379, "redis-server (pid 3)"),),  # before our own task could have it
    ),
    obstacle("ports-free", "FLOWETL_HOST_PORT and EDGE_HTTP_PORT are both 8080", wanted__ports=TWICE),
    fine("ports-free", "9090 flowapi", swarm__publications=(MOVING,)),  # this deployment gives it another port
    fine("ports-free", "6379 redis", machine__listeners=(PROXY,)),
    fine("ports-free", "6379 redis", machine__listeners=(replace(PROXY, process=""),)),
    fine("ports-free", "", machine__listeners=(Listener("udp", 9090, "dns (pid 4)"),)),
    warning("ports-lasting", "FLOWAPI_HOST_PORT=40000", wanted__ports=HIGH),
    skipped("ports-lasting", "", machine__ephemeral_ports=None),
    skipped("ports-lasting", "another machine", engine__local=False),
    obstacle(
        "ports-swarm", "2377/tcp by etcd", engine__membership=member("inactive"), machine__listeners=(SWARM_ELSEWHERE,)
    ),
    fine("ports-swarm", "free", engine__membership=member("inactive")),
    fine("ports-swarm", "has them", machine__listeners=(SWARM_ELSEWHERE,)),
    obstacle("kernel-overlay", "no vxlan", kernel=kernel(vxlan=False)),
    warning("kernel-overlay", "cannot be told whether the kernel has veth", kernel=kernel(veth=None)),
    fine("kernel-ipvs", "not needed", kernel=kernel(ip_vs=False)),
    obstacle("kernel-ipvs", "no ip_vs", kernel=kernel(ip_vs=False), wanted__endpoint_mode="vip"),
    obstacle("kernel-ipvs", "no ip_vs", kernel=kernel(ip_vs=False), wanted__port_mode="ingress"),
    obstacle("ip-forwarding", "no IPv4 packets", engine__ipv4_forwarding=False),
    warning("ip-forwarding", "bridge-nf", engine__bridge_netfilter=False),
    obstacle("subnets", "flowkit_flowdb 10.88.1.0/24 with 10.88.0.0/20 (eth0)", machine__routes=SITE),
    fine("subnets", "", swarm__networks=(LOCAL_BRIDGE,)),
    warning("address-pool", "10.88.0.0/16 with 10.88.0.0/20", machine__routes=SITE),
    obstacle("address-pool", "in use here", machine__routes=SITE, engine__membership=member("inactive")),
    warning("address-pool", "10.0.0.0/8", machine__routes=SITE, engine__address_pools=()),
    skipped("address-pool", "no engine", engine=NO_ENGINE),
    warning("mtu", "1400 bytes", swarm__nodes=(DATA_HERE, THERE), machine__mtu=1400),
    fine("mtu", "1500", swarm__nodes=(DATA_HERE, THERE)),
    skipped("mtu", "no other nodes", swarm=SOUND.swarm),
)
