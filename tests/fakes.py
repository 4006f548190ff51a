"""One honest fake of the swarm: what the engine's API answers, from a few dictionaries.

It keeps only what the package reads, in the engine's own shapes, and counts every write.  The behaviours tested on it
are tested again on a real engine in `tests/swarm`.
"""

from __future__ import annotations

import copy
import itertools
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import docker.errors
import requests.exceptions

from secrets_quickstart.errors import EngineError
from secrets_quickstart.host.processes import Completed
from secrets_quickstart.swarm.engine import Engine
from secrets_quickstart.swarm.services import NAMESPACE
from secrets_quickstart.swarm.stack_files import StackFile, size

START = datetime(2026, 1, 1, tzinfo=UTC)


class FakeEngine(Engine):
    """An engine in a swarm of one node; `writes` lists what was changed, in order."""

    def __init__(self, *, state: str = "active", manager: bool = True, error: str = "") -> None:
        super().__init__({})
        self.state, self.manager, self.error = state, manager, error
        self.writes: list[str] = []
        self.secrets: dict[str, dict[str, Any]] = {}
        self.services: dict[str, dict[str, Any]] = {}
        self.tasks: list[dict[str, Any]] = []
        self.labels: dict[str, str] = {}
        self.swarm_labels: dict[str, str] = {}
        self.networks: list[str] = []
        self.containers: list[dict[str, Any]] = []
        self.volumes: dict[str, Path] = {}
        self.images: list[dict[str, Any]] = []
        self.stats: dict[str, dict[str, Any]] = {}
        """What the engine counts of a container, by its id."""
        self.log: list[bytes] = []
        """What any service has written, a message each, as `written` puts it."""
        self.logs: dict[str, list[bytes]] = {}
        """What containers on this node have written, by their identity; a message each, as `write_here` puts it."""
        self.log_options: dict[str, Any] = {}
        """With which it was last asked for."""
        self.outcome = "running"
        """What becomes of tasks that are started."""
        self.reason = ""
        self.vanishing: set[str] = set()
        """Services that somebody else removes just before we do."""
        self._ids = itertools.count(1)
        self._seconds = itertools.count()

    @property
    def api(self) -> Any:
        return FakeApi(self)

    @property
    def client(self) -> Any:
        return SimpleNamespace(api=self.api, swarm=SimpleNamespace(init=self._init, leave=self._leave))

    def info(self) -> dict[str, Any]:
        swarm = {
            "LocalNodeState": self.state,
            "ControlAvailable": self.manager and self.state == "active",
            "Error": self.error,
            "NodeID": "node1" if self.state != "inactive" else "",
            "NodeAddr": "127.0.0.1",
        }
        return {"Swarm": swarm, "SystemTime": self.tick()}

    def tick(self) -> str:
        moment = START + timedelta(seconds=next(self._seconds))
        return moment.isoformat().replace("+00:00", ".123456789Z")

    def _init(self, labels: Mapping[str, str], **_options: Any) -> None:
        self.writes.append("swarm init")
        self.state, self.manager, self.swarm_labels = "active", True, dict(labels)

    def _leave(self, **_options: Any) -> None:
        self.writes.append("swarm leave")
        self.state = "inactive"

    def next_id(self) -> str:
        return f"id{next(self._ids)}"

    def add_secret(self, name: str, labels: Mapping[str, str] | None = None, value: bytes = b"") -> None:
        """A secret that somebody else made."""
        self.secrets[name] = {
            "ID": self.next_id(),
            "Spec": {"Name": name, "Labels": dict(labels or {})},
            "CreatedAt": self.tick(),
            "Version": {"Index": next(self._ids)},
            "value": value,
        }

    def add_image(self, reference: str, labels: Mapping[str, str] | None = None) -> None:
        self.images.append(
            {"Id": self.next_id(), "RepoTags": [reference], "RepoDigests": [], "Labels": dict(labels or {}), "Size": 1,
             "Created": 1}
        )  # fmt: skip

    def deploy(self, argv: tuple[str, ...], environment: Mapping[str, str]) -> Completed:
        """`docker stack deploy`, with the package's own reading of stack files."""
        stack = argv[-1]
        files = [StackFile(Path(argv[i + 1])) for i, word in enumerate(argv) if word == "--compose-file"]
        self.writes.append(f"stack deploy {stack}")
        for file in files:
            content = file.resolved(environment)
            for name in content.get("networks", {}):
                if f"{stack}_{name}" not in self.networks:
                    self.networks.append(f"{stack}_{name}")
            for name, entry in content["services"].items():
                known = {key: value["name"] for key, value in content["secrets"].items()}
                for source, _ in _mounts(entry):
                    if known[source] not in self.secrets:
                        return Completed(argv, 1, "", f"service {name}: secret not found: {known[source]}")
                self._put_service(stack, name, entry, known)
        return Completed(argv, 0, "", "")

    def _put_service(self, stack: str, name: str, entry: Mapping[str, Any], secrets: Mapping[str, str]) -> None:
        deploy = entry["deploy"]
        container = {
            "Image": entry["image"],
            "Env": [f"{key}={value}" for key, value in entry["environment"].items() if value is not None],
            "Secrets": [{"SecretName": secrets[s], "File": {"Name": t}} for s, t in _mounts(entry)],
            "Healthcheck": {"Test": entry.get("healthcheck", {}).get("test")},
        }
        spec: dict[str, Any] = {
            "Name": f"{stack}_{name}",
            "Labels": {NAMESPACE: stack, **deploy.get("labels", {})},
            "Mode": {"Replicated": {"Replicas": int(deploy.get("replicas", 1))}},
            "TaskTemplate": {
                "ContainerSpec": container,
                "Resources": {
                    "Limits": {"MemoryBytes": size(deploy.get("resources", {}).get("limits", {}).get("memory", 0))}
                },
                "RestartPolicy": {"Condition": deploy.get("restart_policy", {}).get("condition", "any")},
                "Placement": {"Constraints": list(deploy.get("placement", {}).get("constraints", ()))},
            },
            "EndpointSpec": {
                "Ports": [
                    {"TargetPort": port["target"], "PublishedPort": int(port["published"])}
                    for port in entry.get("ports", ())
                ]
            },
        }
        self.put_specification(spec)

    def put_specification(self, spec: Mapping[str, Any]) -> None:
        """A service as the engine is told of it, and its tasks."""
        old = self.services.get(spec["Name"])
        self.services[spec["Name"]] = {
            "ID": old["ID"] if old else self.next_id(),
            "Spec": spec,
            "Version": {"Index": next(self._ids)},
        }
        if old is None or any(old["Spec"][part] != spec[part] for part in ("TaskTemplate", "Mode")):
            for task in self.tasks:
                if task["ServiceID"] == self.services[spec["Name"]]["ID"]:
                    task["DesiredState"] = "shutdown"
                    task["Status"]["State"] = "shutdown"
            for slot in range(1, spec["Mode"]["Replicated"]["Replicas"] + 1):
                self.add_task(spec["Name"], slot=slot)

    def add_service(self, stack: str, name: str, mounts: Mapping[str, str] | None = None) -> None:
        """A service as `deploy` makes it, of a stack file that says next to nothing; `mounts` are secrets by file."""
        mounts = mounts or {}
        entry = {"image": "x:1", "environment": {}, "deploy": {}, "secrets": list(mounts)}
        self._put_service(stack, name, entry, mounts)

    def add_containers(self) -> None:
        """One for each running task, as the engine lists them."""
        names = {item["ID"]: name for name, item in self.services.items()}
        self.containers = [
            {
                "Id": _container(task),
                "State": "running",
                "Status": "Up 3 minutes (healthy)",
                "ImageID": "sha256:" + "ab" * 32,
                "Labels": {
                    "com.docker.swarm.service.name": names[task["ServiceID"]],
                    "com.docker.swarm.task.id": task["ID"],
                    "com.docker.swarm.task.name": f"{names[task['ServiceID']]}.{task['Slot']}.{task['ID']}",
                },
            }
            for task in self.tasks
            if task["Status"]["State"] in {"running", "starting"} and task["NodeID"] == "node1"
        ]

    def write(self, task_id: str, text: str, second: int = 0) -> None:
        """A message of a task, whose line may go on in the next."""
        labels = ",".join(f"com.docker.swarm.{name}.id={value}" for name, value in (("node", "n"), ("task", task_id)))
        self.log.append(f"2026-01-01T00:00:{second:02}.123456789Z {labels} {text}".encode())

    def write_here(self, container: str, text: str, second: int = 0) -> None:
        """The same of a container on this node."""
        self.logs.setdefault(container, []).append(f"2026-01-01T00:00:{second:02}.123456789Z {text}".encode())

    def add_task(self, service: str, *, slot: int = 1, state: str | None = None, error: str = "") -> None:
        """A task of the service's present specification; that of a job is done at once, if it does not fail."""
        item = self.services[service]
        now = self.tick()
        state = state or self.outcome
        if state == "running" and item["Spec"]["TaskTemplate"]["RestartPolicy"]["Condition"] != "any":
            state = "complete"
        self.tasks.append(
            {
                "ID": self.next_id(),
                "ServiceID": item["ID"],
                "Slot": slot,
                "NodeID": "node1",
                "DesiredState": "shutdown" if state == "complete" else "running",
                "Status": {
                    "State": state,
                    "Timestamp": now,
                    "Err": error or self.reason,
                    "ContainerStatus": {"ContainerID": f"container of {item['ID']}.{slot} at {now}"},
                },
                "CreatedAt": now,
                "Spec": item["Spec"]["TaskTemplate"],
            }
        )


class FakeApi:
    """The SDK's low-level client, as far as the package uses it."""

    def __init__(self, engine: FakeEngine) -> None:
        self._engine = engine

    def _require_swarm(self) -> None:
        if self._engine.state != "active":
            raise EngineError("this node is not a swarm manager")

    def secrets(self) -> list[dict[str, Any]]:
        self._require_swarm()
        return list(self._engine.secrets.values())

    def create_secret(self, name: str, data: bytes, labels: Mapping[str, str]) -> None:
        self._require_swarm()
        if name in self._engine.secrets:
            raise docker.errors.APIError("conflict", explanation=f"secret {name} already exists")
        self._engine.writes.append(f"create secret {name}")
        self._engine.add_secret(name, labels, data)

    def inspect_secret(self, identifier: str) -> dict[str, Any]:
        return next(item for item in self._engine.secrets.values() if item["ID"] == identifier)

    def post(self, url: str, *, params: Mapping[str, int], json: Mapping[str, Any]) -> Any:
        """Labels for a secret, of which the engine changes nothing else; or a whole specification for a service."""
        if "/services/" in url:
            return self._update_service(url.removesuffix("/update").rpartition("/")[2], params["version"], json)
        item = self.inspect_secret(url.removesuffix("/update").rpartition("/")[2])
        if params["version"] != item["Version"]["Index"] or json["Name"] != item["Spec"]["Name"]:
            return SimpleNamespace(status_code=500, text="update out of sequence")
        self._engine.writes.append(f"label secret {json['Name']}")
        item["Spec"] = dict(json)
        item["Version"] = {"Index": params["version"] + 1}
        return SimpleNamespace(status_code=200, text="")

    def _update_service(self, identifier: str, version: int, spec: Mapping[str, Any]) -> Any:
        item = next(item for item in self._engine.services.values() if item["ID"] == identifier)
        if version != item["Version"]["Index"]:
            return SimpleNamespace(status_code=500, text="update out of sequence")
        self._engine.writes.append(f"update service {spec['Name']}")
        self._engine.put_specification(copy.deepcopy(dict(spec)))
        return SimpleNamespace(status_code=200, text="")

    def exec_create(self, container: str, argv: list[str]) -> dict[str, Any]:
        return {"Id": (container, tuple(argv))}

    def exec_start(self, started: tuple[str, tuple[str, ...]], **_options: Any) -> list[tuple[bytes, bytes]]:
        """`cat`, of the only files that a container of this engine has: its secrets, in two pieces."""
        content = self._file(*started)
        return [(b"", b"cat: No such file")] if content is None else [(content[:7], b""), (content[7:], b"")]

    def exec_inspect(self, started: tuple[str, tuple[str, ...]]) -> dict[str, Any]:
        return {"ExitCode": int(self._file(*started) is None)}

    def _file(self, container: str, argv: tuple[str, ...]) -> bytes | None:
        task = next(task for task in self._engine.tasks if _container(task) == container)
        for mount in task["Spec"]["ContainerSpec"].get("Secrets", ()):
            if argv == ("cat", f"/run/secrets/{mount['File']['Name']}"):
                value: bytes = self._engine.secrets[mount["SecretName"]]["value"]
                return value
        return None

    def remove_secret(self, identifier: str) -> None:
        for name, item in list(self._engine.secrets.items()):
            if item["ID"] == identifier:
                self._engine.writes.append(f"remove secret {name}")
                del self._engine.secrets[name]

    def services(self, filters: Mapping[str, str] | None = None) -> list[dict[str, Any]]:
        self._require_swarm()
        return [item for item in self._engine.services.values() if _labelled(item["Spec"]["Labels"], filters)]

    def tasks(self, filters: Mapping[str, str]) -> list[dict[str, Any]]:
        chosen = {item["ID"] for item in self.services(filters)} if "label" in filters else {filters["service"]}
        return [task for task in self._engine.tasks if task["ServiceID"] in chosen]

    def nodes(self) -> list[dict[str, Any]]:
        self._require_swarm()
        return [self.inspect_node("node1")]

    def inspect_node(self, identifier: str) -> dict[str, Any]:
        return {
            "ID": identifier,
            "Version": {"Index": 1},
            "Description": {"Hostname": "one"},
            "Status": {"State": "ready"},
            "Spec": {"Availability": "active", "Role": "manager", "Labels": self._engine.labels},
        }

    def update_node(self, _identifier: str, _version: int, spec: Mapping[str, Any]) -> None:
        self._engine.writes.append("label node")
        self._engine.labels = dict(spec["Labels"])

    def inspect_swarm(self) -> dict[str, Any]:
        return {"Spec": {"Labels": self._engine.swarm_labels}}

    def networks(self, filters: Mapping[str, str]) -> list[dict[str, Any]]:
        stack = filters["label"].partition("=")[2]
        return [{"Name": name} for name in self._engine.networks if name.startswith(f"{stack}_")]

    def images(self, filters: Mapping[str, str] | None = None) -> list[dict[str, Any]]:
        return [item for item in self._engine.images if filters is None or filters["label"] in item["Labels"]]

    def remove_network(self, name: str) -> None:
        self._engine.writes.append(f"remove network {name}")
        self._engine.networks.remove(name)

    base_url = "http+docker://fake"
    api_version = "1.41"

    def get(self, url: str, **_options: Any) -> Any:
        """What a registry says, by way of the engine: here there is none."""
        raise requests.exceptions.ConnectionError(url)

    def service_logs(self, _service: str, **options: Any) -> list[bytes]:
        self._engine.log_options = options
        return self._engine.log

    def inspect_task(self, identifier: str) -> dict[str, Any]:
        for task in self._engine.tasks:
            if task["ID"] == identifier:
                return task
        raise docker.errors.NotFound(f"no such task: {identifier}")

    def stats(self, container: str, **_options: Any) -> dict[str, Any]:
        if container not in self._engine.stats:
            raise docker.errors.NotFound(f"no such container: {container}")
        return self._engine.stats[container]

    def containers(self, **_options: Any) -> list[dict[str, Any]]:
        return self._engine.containers

    def remove_service(self, identifier: str) -> None:
        for name, item in list(self._engine.services.items()):
            if item["ID"] == identifier and name in self._engine.vanishing:
                del self._engine.services[name]
                raise docker.errors.NotFound(f"no such service: {name}")
            if item["ID"] == identifier:
                self._engine.writes.append(f"remove service {name}")
                del self._engine.services[name]
        self._engine.tasks = [task for task in self._engine.tasks if task["ServiceID"] != identifier]

    def inspect_volume(self, name: str) -> dict[str, Any]:
        if name not in self._engine.volumes:
            raise docker.errors.NotFound(f"no such volume: {name}")
        return {"Mountpoint": str(self._engine.volumes[name])}

    def create_volume(self, name: str, labels: Mapping[str, str]) -> None:
        self._engine.writes.append(f"create volume {name} of {labels[NAMESPACE]}")
        self._engine.volumes.setdefault(name, Path("/nowhere") / name)

    def volumes(self, filters: Mapping[str, str]) -> dict[str, Any]:
        stack = filters["label"].partition("=")[2]
        found = ((name, path) for name, path in self._engine.volumes.items() if name.startswith(f"{stack}_"))
        return {"Volumes": [{"Name": name, "Mountpoint": str(path), "Options": None} for name, path in found]}

    def remove_volume(self, name: str) -> None:
        self._engine.writes.append(f"remove volume {name}")
        del self._engine.volumes[name]

    def stop(self, container: str, **_options: Any) -> None:
        raise docker.errors.NotFound(f"no such container: {container}")

    def events(self, **_options: Any) -> Any:
        return NoEvents()

    def logs(self, container: str, *, stream: bool = False, **_options: Any) -> Any:
        return self._engine.logs[container] if stream else b"the last words\n"


class NoEvents:
    """An event stream in which nothing happens."""

    def __iter__(self) -> NoEvents:
        return self

    def __next__(self) -> Any:
        raise StopIteration

    def close(self) -> None:
        return


def _container(task: Mapping[str, Any]) -> str:
    return str(task["Status"]["ContainerStatus"]["ContainerID"])


def _labelled(labels: Mapping[str, str], filters: Mapping[str, str] | None) -> bool:
    if filters is None:
        return True
    name, _, value = filters["label"].partition("=")
    return labels.get(name) == value


def _mounts(entry: Mapping[str, Any]) -> list[tuple[str, str]]:
    """A service's secrets: each one's name in the stack file, and the file that it becomes."""
    return [
        (item, item) if isinstance(item, str) else (item["source"], item["target"]) for item in entry.get("secrets", ())
    ]
