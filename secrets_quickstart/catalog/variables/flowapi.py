"""The variables of FlowAPI."""

from __future__ import annotations

from secrets_quickstart.catalog.variables.flowmachine import LEVELS, MEMORY
from secrets_quickstart.catalog.variables.quantities import Port
from secrets_quickstart.catalog.variables.variable import Variable
from secrets_quickstart.catalog.variables.words import Text

VARIABLES = (
    Variable("FLOWAPI_HOST_PORT", Port(published=True), "9090", "The port of this machine where FlowAPI answers."),
    Variable(
        "FLOWAPI_IDENTIFIER",
        Text("a name of at most 75 letters, digits, dots, hyphens and underscores", r"[A-Za-z0-9][\w.-]{0,74}"),
        "flowapi_server",
        "This FlowAPI's name in FlowAuth and in tokens; no two servers of one FlowAuth may share it.",
    ),
    Variable("FLOWAPI_LOG_LEVEL", LEVELS, "error", "How much FlowAPI says."),
    Variable("FLOWAPI_MEMORY_LIMIT", MEMORY, "1GB", "FlowAPI's container is stopped if it takes more."),
)
