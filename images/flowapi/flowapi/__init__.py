"""FlowAPI: FlowKit's HTTP interface, before FlowMachine (ZeroMQ) and FlowDB (PostgreSQL).

Not FlowMinder's own server, but one with the same interface, written so that flowclient and
FlowAuth's tokens work with it unchanged.
"""

__version__ = "1.34.0"  # the release of FlowKit whose interface this is
