"""Starts FlowAPI: configuration, logs, the server, and a quiet end on SIGTERM."""

import asyncio
import signal
import sys
from typing import Any

import uvicorn

from flowapi import configuration, logs
from flowapi.application import application
from flowapi.configuration import Configuration, Misconfigured
from flowapi.flowdb import FlowDB
from flowapi.flowmachine import FlowMachine
from flowapi.gate import Gate
from flowapi.tokens import Verifier

LARGEST_HEAD = 2**16  # bytes of request line and headers; a token may hold many scopes
MOST_AT_ONCE = 500  # requests and idle connections together; beyond, 503
STOP_SECONDS = 8  # for requests that are under way; then they are cut off
HELLO_SECONDS = 10.0  # for a client to begin TLS
GOODBYE_SECONDS = 4.0  # for it to take the last bytes and end TLS; idle clients never do


def main() -> int:
    try:
        settings = configuration.read()
    except Misconfigured as problem:
        print(problem, file=sys.stderr)
        return 1
    logs.configure(settings.log_level)
    if settings.tls is None:
        print(
            "WARNING: no certificate and key in /run/secrets: FlowAPI serves plain HTTP,"
            " and anybody on the way can read tokens and results.",
            file=sys.stderr,
        )
    # uvicorn raises the signal again once it has stopped; the end is then ours, and clean
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: None)
    with asyncio.Runner(loop_factory=Loop) as runner:
        return runner.run(serve(settings))


class Loop(asyncio.SelectorEventLoop):
    """Python's own, less patient with TLS clients than its half minute and more."""

    async def create_server(self, *arguments: Any, **options: Any) -> asyncio.Server:
        if options.get("ssl"):
            options |= {
                "ssl_handshake_timeout": HELLO_SECONDS,
                "ssl_shutdown_timeout": GOODBYE_SECONDS,
            }
        server: asyncio.Server = await super().create_server(*arguments, **options)
        return server


async def serve(settings: Configuration) -> int:
    """Serves until told to stop. The exit status: 1 if it could not start."""
    flowdb = FlowDB(settings.flowdb_host, settings.flowdb_port, settings.flowdb_user, settings.flowdb_password)
    await flowdb.open()
    flowmachine = FlowMachine(
        settings.flowmachine_host,
        settings.flowmachine_port,
        settings.flowmachine_timeout,
        flowdb.check,
    )
    gate = Gate(Verifier(settings.signing_key, settings.identifier))
    tls = settings.tls
    server = uvicorn.Server(
        uvicorn.Config(
            application(gate, flowmachine, flowdb, settings.identifier),
            host="0.0.0.0",
            port=settings.port,
            ssl_context_factory=(lambda _config, _default: tls) if tls else None,
            http="h11",  # the one with a limit for headers
            h11_max_incomplete_event_size=LARGEST_HEAD,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,  # src_ip is who connected, not who claims to have
            limit_concurrency=MOST_AT_ONCE,
            timeout_graceful_shutdown=STOP_SECONDS,
        )
    )
    greeting = asyncio.create_task(flowdb.greet())
    try:
        await server.serve()
    finally:
        greeting.cancel()
        await flowdb.close()
        flowmachine.close()
    return 0 if server.started else 1


if __name__ == "__main__":
    sys.exit(main())
