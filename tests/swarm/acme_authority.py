"""An ACME server beside the stack, and what leads it to the edge by FlowAuth's name; no test is here."""

from __future__ import annotations

import os

from tests.swarm.edge_visitors import HTTP, HTTPS, STACK, docker

AUTHORITY, INTERNET = "selftest-authority", "selftest-internet"
"""Services beside the stack: an ACME server, and what leads it from FlowAuth's name to this machine's ports."""

THE_AUTHORITY = """
exec caddy run --adapter caddyfile --config - <<CONFIGURATION
{
    admin off
    skip_install_trust
    auto_https disable_redirects
}
https://selftest-authority {
    tls internal
    acme_server
}
CONFIGURATION
"""

THE_INTERNET = f"""
import asyncio, ipaddress, socket

[gateway] = [
    str(ipaddress.IPv4Address(socket.htonl(int(line.split()[2], 16))))
    for line in open("/proc/net/route") if line.split()[1] == "00000000"
]

async def pump(source, sink):
    try:
        while chunk := await source.read(65536):
            sink.write(chunk)
            await sink.drain()
    finally:
        sink.close()

def to(port):
    async def connected(reader, writer):
        there, back = await asyncio.open_connection(gateway, port)
        await asyncio.gather(pump(reader, back), pump(there, writer), return_exceptions=True)
    return connected

async def main():
    servers = [await asyncio.start_server(to({HTTPS}), port=443), await asyncio.start_server(to({HTTP}), port=80)]
    await asyncio.gather(*(server.serve_forever() for server in servers))

asyncio.run(main())
"""


def beside(name, image, *command, alias=""):
    """A service on the stack's network that is none of the stack's."""
    network = f"name={STACK}_flowauth" + (f",alias={alias}" if alias else "")
    options = ["--network", network, "--endpoint-mode", "dnsrr", "--no-healthcheck", "--quiet"]
    docker("service", "create", "--name", name, *options, os.environ[image], *command)


def authoritys():
    return docker("ps", "--quiet", "--filter", f"label=com.docker.swarm.service.name={AUTHORITY}").strip()
