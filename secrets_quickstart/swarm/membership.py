"""Making a swarm and leaving it; never joining one."""

from __future__ import annotations

from secrets_quickstart.catalog.labels import MADE_BY
from secrets_quickstart.errors import EngineError
from secrets_quickstart.swarm.engine import OUT_OF_SEQUENCE, Engine, SwarmMembership, translated

LOOPBACK = "127.0.0.1"
"""The address of a swarm of one node: nothing of it can be reached from elsewhere."""

TRIES = 5
"""Times that a node may be changed by somebody else between our look at it and our write."""


def initialise(engine: Engine, address: str, pool: str | None) -> None:
    """Make a swarm of this one node.

    `pool` is the range of addresses for the stacks' networks (None: the engine's own choice), cut into networks of 254.
    A swarm's address and pool cannot be changed later.
    """
    with translated("the swarm cannot be initialised"):
        engine.client.swarm.init(
            advertise_addr=address,
            listen_addr=f"{address}:2377",
            default_addr_pool=[pool] if pool else None,
            subnet_size=24 if pool else None,
            labels={MADE_BY: "flowkit-quickstart"},
        )


def label_this_node(engine: Engine, label: str, value: str | None) -> None:
    """Give this node a label, or take it away (None).  Other labels stay, those too that somebody sets meanwhile."""
    from docker.errors import APIError  # the SDK is slow to import

    with translated(f"this node cannot be labelled {label}"):
        for attempt in reversed(range(TRIES)):
            node = engine.api.inspect_node(engine.membership().node_id)
            spec = dict(node["Spec"])
            labels = {name: text for name, text in (spec.get("Labels") or {}).items() if name != label}
            spec["Labels"] = labels if value is None else {**labels, label: value}
            try:
                engine.api.update_node(node["ID"], node["Version"]["Index"], spec)
            except APIError as error:
                if attempt and OUT_OF_SEQUENCE in str(error):
                    continue  # the node was changed between the look and the write
                raise
            return


def is_ours(engine: Engine) -> bool:
    """Whether we made the swarm that the engine is in."""
    with translated("the swarm cannot be looked at"):
        swarm = engine.api.inspect_swarm()
    return MADE_BY in (swarm["Spec"].get("Labels") or {})


def leave(engine: Engine) -> None:
    """Take down a swarm of one node that we made; nothing of it may be left that is not ours."""
    with translated("the swarm cannot be left"):
        engine.client.swarm.leave(force=True)


def require_usable(membership: SwarmMembership) -> None:
    """Raise EngineError unless the engine manages a swarm that works."""
    if membership.usable:
        return
    what, fix = {
        "inactive": ("the engine is in no swarm", "invoke swarm.init"),
        "locked": ("the swarm is locked", "unlock it with its key: docker swarm unlock"),
        "pending": ("the engine is joining a swarm", "wait until it has, then run this again"),
    }.get(membership.state, ("", ""))
    if not what and membership.error:
        what, fix = "the swarm is in trouble", "bring back a majority of its managers"
    if not what:
        what, fix = "the engine is a worker of its swarm", "run this on a manager, or promote it: docker node promote"
    raise EngineError(what, why=membership.error, fix=fix)
