"""The names under which FlowAPI is known on its own machine; the operator's own are the variable TLS_NAMES."""

from __future__ import annotations

HOST_NAMES = ("flowkit.api", "flow.api")
