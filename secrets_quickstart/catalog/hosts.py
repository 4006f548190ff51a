"""The names under which FlowAPI is known on its own machine; the operator's own are the variable TLS_NAMES."""

from __future__ import annotations

HOST_NAMES = ("flowkit.api", "flow.api")

LOOPBACK = ("localhost", "127.0.0.1", "::1")
"""What every machine calls itself."""
