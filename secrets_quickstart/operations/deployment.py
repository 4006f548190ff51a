"""What is to be deployed: settings, target and vault put together into steps.  Carrying them out is `deploy`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from secrets_quickstart.catalog import components, images, targets
from secrets_quickstart.catalog.targets import Target
from secrets_quickstart.checks.data import places
from secrets_quickstart.errors import UsageError
from secrets_quickstart.material import keys
from secrets_quickstart.material.generation import Choices
from secrets_quickstart.operations import images as image_sources
from secrets_quickstart.operations import links, status
from secrets_quickstart.report import Tell
from secrets_quickstart.sensitive import Sensitive
from secrets_quickstart.settings import Settings
from secrets_quickstart.steps.dags import DagsStep
from secrets_quickstart.steps.data import DataStep
from secrets_quickstart.steps.directories import DirectoriesStep
from secrets_quickstart.steps.hosts_entry import HostsEntryStep
from secrets_quickstart.steps.membership import MembershipStep
from secrets_quickstart.steps.roles import RolesStep
from secrets_quickstart.steps.secrets import SecretsStep
from secrets_quickstart.steps.sizing import SizingStep
from secrets_quickstart.steps.stack import Inputs, StackStep
from secrets_quickstart.steps.step import Step
from secrets_quickstart.steps.values import ValuesStep
from secrets_quickstart.swarm import services
from secrets_quickstart.swarm.engine import Engine
from secrets_quickstart.swarm.stack_files import StackFile
from secrets_quickstart.vault import Vault


@dataclass(frozen=True, slots=True)
class Order:
    """What was asked for."""

    target: Target
    only: bool = False
    """Just the target's own components, not what they require."""
    sample_data: bool = False
    """Fill a new FlowDB with made-up records, unless the operator set FLOWDB_SAMPLE_DATA."""
    start_empty: bool = False
    """A database that has vanished is gone for good."""
    first_user: bool = False
    """Make a user in FlowAuth who may use FlowAPI."""
    example_dags: bool = False
    """Put the example DAGs where Airflow looks, unless there are others."""

    @property
    def components(self) -> tuple[str, ...]:
        return self.target.own if self.only else self.target.components


def order(
    target: str,
    *,
    only: bool = False,
    sample_data: bool = False,
    start_empty: bool = False,
    first_user: bool = False,
    example_dags: bool = False,
) -> Order:
    """Raises UsageError for a target that does not exist."""
    from difflib import get_close_matches

    choice = f"choose one of {', '.join(targets.BY_NAME)}"
    if not target:
        raise UsageError("no target was given", fix=f"deploy --target NAME: {choice}")
    row = targets.BY_NAME.get(target)
    if row is None:
        near = get_close_matches(target, targets.BY_NAME, n=1)
        raise UsageError(f"there is no target {target}", why=f"did you mean {near[0]}?" if near else "", fix=choice)
    return Order(row, only, sample_data, start_empty, first_user, example_dags)


def order_of(components: Sequence[str], *, without_server: bool = False) -> Order:
    """What deploys just these components; `without_server` where FlowMachine is there as a library."""
    overrides = targets.BY_NAME["library"].overrides if without_server else {}
    for target in targets.TARGETS:
        if set(target.components) == set(components) and target.overrides == overrides:
            return Order(target)
    return Order(Target("what is there", "", tuple(components), overrides=overrides))


def order_of_deployed(settings: Settings, engine: Engine) -> Order:
    """What would deploy just what the stack has now.  Raises ServiceError when it has nothing."""
    found = status.deployed(engine, settings.stack)
    server = services.state(engine, settings.stack).services.get("flowmachine")
    return order_of(found, without_server=server is not None and server.replicas == 0)


class Deployment:
    """One order on one machine, as steps; makes nothing happen."""

    def __init__(
        self,
        settings: Settings,
        order: Order,
        engine: Engine,
        vault: Vault,
        tell: Tell,
        signing_key: Callable[[int], Sensitive] = keys.signing_key,
    ) -> None:
        """`tell` is told how the services stand while they are waited for; `signing_key` makes one of so many bits."""
        self.settings = settings.with_overrides(order.target.overrides, f"target {order.target.name}")
        self.order = order
        self._engine = engine
        self._vault = vault
        self._tell = tell
        self._signing_key = signing_key
        self.images = image_sources.step(self.settings, engine, wanted_images(order), self.settings.images, tell)
        self._secrets = SecretsStep(engine, vault, settings.stack, order.components)
        parts = (components.BY_NAME[name] for name in order.components)
        self._sizing = SizingStep(settings, engine, [service.name for part in parts for service in part.services])

    def preparation(self) -> list[list[Step[Any]]]:
        """What comes before the stack, in lanes that do not need one another."""
        settings, order = self.settings, self.order
        choices = Choices(settings.password_length, settings.texts(), self._signing_key)
        prepared: list[Step[Any]] = [
            MembershipStep(self._engine, settings["FLOWKIT_DATA_NODE_LABEL"], settings.text("FLOWKIT_ADDRESS_POOL")),
            ValuesStep(self._vault, order.components, choices),
            self._secrets,
            DirectoriesStep(settings, order.components),
        ]
        if order.example_dags and "flowetl" in order.components:
            prepared.append(DagsStep(settings))
        if "flowapi" in order.components:
            prepared.append(HostsEntryStep(settings))
        if "flowdb" in order.components:
            prepared.append(self._sizing)
        prepared.append(self.data())
        return [[self.images], prepared]

    def data(self) -> DataStep:
        sample = self.settings["FLOWDB_SAMPLE_DATA"]
        if "FLOWDB_SAMPLE_DATA" not in self.settings.given:
            sample = self.order.sample_data
        found = places(self.settings, self.order.components)
        return DataStep(self._engine, self._vault, found, sample=sample, start_empty=self.order.start_empty)

    def roles(self, *, awaited: bool = False) -> RolesStep:
        """Between preparation and stack; with `awaited`, beside the stack: for databases that did not run before."""
        return RolesStep(self._engine, self._vault, self.settings, self.order.components, awaited=awaited)

    def stack(self) -> StackStep:
        """The last step; what the steps before it decided goes into it, so ask for it when they are through."""
        return StackStep(self._engine, self._inputs(self.order.components), self._tell)

    def rolling(self) -> list[StackStep]:
        """The same in steps: a component with those before it, in the order in which they need each other."""
        wanted = self.order.components
        return [
            StackStep(self._engine, self._inputs(wanted[:count]), self._tell) for count in range(1, len(wanted) + 1)
        ]

    def references(self) -> dict[str, str]:
        """The image that each service is to run."""
        inputs = self._inputs(self.order.components)
        files = (file.resolved(inputs.environment) for file in inputs.files)
        return {name: str(entry["image"]) for file in files for name, entry in file["services"].items()}

    def _inputs(self, chosen: tuple[str, ...]) -> Inputs:
        folder = self.settings.folder / "compose"
        return Inputs(
            self.settings.stack,
            chosen,
            tuple(StackFile(folder / components.BY_NAME[name].stack_file) for name in chosen),
            self._environment(),
            registry_auth=self.images.registry_auth,
            deadline=self.settings.deadline,
        )

    def links(self, *, beforehand: bool = False) -> list[Step[Any]]:
        """What comes when all services run; none but with FlowAuth and a FlowAPI that it can give tokens for.

        `beforehand`, for a plan: what does not answer is taken for not there yet.
        """
        if not {"flowauth", "letsencrypt", "flowapi"} <= set(self.order.components):
            return []
        user = self.order.first_user
        return [links.step_of_stack(self.settings, self._engine, self._vault, first_user=user, beforehand=beforehand)]

    def _environment(self) -> dict[str, str]:
        chosen = {
            "DATA_CONSTRAINT": f"node.labels.{self.settings['FLOWKIT_DATA_NODE_LABEL']}==true",
            "FLOWDB_SAMPLE_DATA": "true" if self.data().sample_data else "false",
        }
        return self.settings.stack_environment(
            self._sizing.environment(self._sizing.look()),
            self.images.environment(),
            self._secrets.environment(),
            chosen,
        )


def wanted_images(order: Order) -> tuple[str, ...]:
    """Names of the images that the order's services run."""
    services = (service for name in order.components for service in components.BY_NAME[name].services)
    used = {service.image for service in services}
    return tuple(row.name for row in images.IMAGES if row.name in used)


def addresses(settings: Settings, order: Order) -> list[tuple[str, str]]:
    """Where people find what the order's services are for, and as whom they log in there: a name and a text each."""
    services = (service for name in order.components for service in components.BY_NAME[name].services)
    texts = settings.texts()
    rows = []
    for service in services:
        if service.address:
            address = service.address.format(port=settings[service.ports[0]], **texts).removesuffix(":443")
            rows.append((service.known_as or service.name, address))
        rows += [
            ("  log in as", f"{settings[login.user]}, invoke secrets.show {login.password}")
            for login in service.logins
            if order.first_user or not login.by_quickstart
        ]
    return rows
