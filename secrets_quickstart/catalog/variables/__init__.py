"""The table of variables: everything that an operator may set, of the whole system."""

from __future__ import annotations

from secrets_quickstart.catalog.images import IMAGES
from secrets_quickstart.catalog.variables import deployment, flowapi, flowauth, flowdb, flowetl, flowmachine
from secrets_quickstart.catalog.variables.variable import Variable

GROUPS: tuple[tuple[str, tuple[Variable, ...]], ...] = (
    ("", deployment.VARIABLES),
    ("flowdb", flowdb.VARIABLES),
    ("flowmachine", flowmachine.VARIABLES),
    ("flowapi", flowapi.VARIABLES),
    ("flowetl", flowetl.VARIABLES),
    ("flowauth", flowauth.VARIABLES),
    ("letsencrypt", flowauth.EDGE),
)
"""Each component's name, "" for the deployment itself, and its variables."""

VARIABLES = tuple(variable for _, variables in GROUPS for variable in variables)
BY_NAME = {variable.name: variable for variable in VARIABLES}
COMPONENT_OF = {variable.name: component for component, variables in GROUPS for variable in variables}

_IMAGES_ARE_CHOSEN = "FLOWKIT_IMAGES, FLOWKIT_REGISTRY and the tags choose images"

REFUSED = {
    "DEMO_MODE": "it would wipe FlowAuth's database and make users with a well-known password",
    **dict.fromkeys((name for image in IMAGES for name in (image.variable, image.pin_variable)), _IMAGES_ARE_CHOSEN),
}
"""Names that mean something to the services or the stack files, but are not to be set, and why."""
