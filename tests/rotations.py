"""A deployment whose secrets get new values, on the fake engine; no test is here.

The databases and what is encrypted are models of the real ones, which `tests/swarm/test_rotation.py` has.
"""

from secrets_quickstart.catalog.rotation import ROLES, SEALINGS
from secrets_quickstart.catalog.secrets import BY_NAME
from secrets_quickstart.errors import VerificationFailed
from secrets_quickstart.material import scram
from secrets_quickstart.operations import rotation
from secrets_quickstart.operations.rotation_choice import Wish
from secrets_quickstart.steps import roles
from secrets_quickstart.swarm import containers
from secrets_quickstart.swarm.containers import Execution
from tests import deployments
from tests.deployments import World

EVERYTHING = Wish(everything=True)


class Rotating(World):
    """A deployment whose databases keep verifiers, and whose services keep something encrypted."""

    def __init__(self, folder, monkeypatch):
        super().__init__(folder, monkeypatch)
        self.kept: dict[tuple[str, str], str] = {}
        """Verifiers by service and role."""
        self.sealed: dict[str, str] = {}
        """The key that a service's records are encrypted with."""
        self.trouble: list[bool] = []
        world = self

        class Server:
            def __init__(self, _engine, container, _environment):
                self.container = container

            def wait(self, _deadline):
                pass

            def ask(self, _query):
                return {role: text for (service, role), text in world.kept.items() if service == self.container}

            def tell(self, statements):
                world.fuse.burn()
                _, role, rest = statements.split('"')
                world.kept[self.container, role] = rest.split("'")[1]

        monkeypatch.setattr(roles, "Postgresql", Server)
        monkeypatch.setattr(rotation, "Engine", self._engine)
        monkeypatch.setattr(
            containers, "of_service", lambda engine, _stack, name: name if name in here(engine) else None
        )
        self._execute = containers.execute
        monkeypatch.setattr(containers, "execute", self._encrypt_anew)
        put = deployments.Machine._put_service

        def started(engine, stack, name, entry, secrets):
            put(engine, stack, name, entry, secrets)
            keys = self.mounted("flowauth", "FLOWAUTH_FERNET_KEY") if name == "flowauth" and self.sealed else ""
            if "," in keys:
                self._reseal("FLOWAUTH_FERNET_KEY", keys)

        monkeypatch.setattr(deployments.Machine, "_put_service", started)

    def deployed(self, target="flowkit"):
        self.deploy(target)
        vault = self.vault()
        for row in ROLES:
            if row.secret in vault:
                role = row.name.format_map(self.settings().texts())
                self.kept[row.database.service, role] = scram.verifier(vault.value(row.secret))
        self.sealed = {row.secret: vault.value(row.secret).text() for row in SEALINGS if row.secret in vault}
        return self

    def rotate(self, wish=EVERYTHING):
        return rotation.rotate(self.settings(), wish, "invoke secrets.rotate").names

    def mounted(self, service, name):
        """What the service reads."""
        references = self.engine.services[f"s_{service}"]["Spec"]["TaskTemplate"]["ContainerSpec"]["Secrets"]
        title = next(one["SecretName"] for one in references if one["File"]["Name"] == name)
        return self.engine.secrets[title]["value"].decode()

    @staticmethod
    def _users(vault):
        return {name: vault.value(name).text() for name in vault.names() if name.endswith("_USER")}

    def _encrypt_anew(self, engine, container, argv, **options):
        if container != "flowetl_scheduler":
            return self._execute(engine, container, argv, **options)
        self.fuse.burn()
        self._reseal("AIRFLOW__CORE__FERNET_KEY", self.mounted(container, "AIRFLOW__CORE__FERNET_KEY"))
        return Execution(0, "", "")

    def _reseal(self, name, keys):
        assert self.sealed[name] in keys.split(","), "nobody can read it any more"
        self.sealed[name] = keys.split(",")[0]

    def _verify(self, settings, wanted, engine, vault):
        """Everybody gets in everywhere with what they mount."""
        super()._verify(settings, wanted, engine, vault)
        if self.trouble and self.trouble.pop(0):
            raise VerificationFailed("the check of FlowAPI failed")
        for row in ROLES if self.kept else ():
            role = row.name.format_map({**self.settings().texts(), **self._users(vault)})
            if (row.database.service, role) not in self.kept:
                continue  # its database is not deployed
            assert scram.is_of(self.kept[row.database.service, role], vault.value(row.secret)), row.secret
        for sealing, service in zip(SEALINGS, ("flowetl_worker", "flowauth"), strict=True):
            if sealing.secret in self.sealed:
                assert (
                    self.sealed[sealing.secret]
                    == self.mounted(service, sealing.secret)
                    == vault.value(sealing.secret).text()
                )

    def titles(self):
        """The secret objects of the swarm: one each, of the newest generation."""
        vault = self.vault()
        expected = {f"s_{name}_g{vault.generation(name)}" for name in vault.names() if BY_NAME[name].components}
        return set(self.engine.secrets), expected


def here(engine):
    return {name.removeprefix("s_") for name in engine.services}
