"""The local FlowAuth image without its database or redis, killed, and on what others left it, on a real engine."""

import threading
import time

import httpx
import pytest

from tests.swarm.eventually import eventually
from tests.swarm.flowauth.people import new
from tests.swarm.old_flowauth import HASHER, OLD_TABLES
from tests.swarm.pages.flowauth_deployment import (
    ADMIN,
    ADMIN_PASSWORD,
    DB_PASSWORD,
    LATEST,
    REDIS_PASSWORD,
    USER_PASSWORD,
    Person,
)

pytestmark = pytest.mark.swarm


def test_the_database_may_be_killed_and_come_back(place, analyst):
    path = f"/tokens/tokens/{analyst.server}"
    body = {"name": "x", "roles": [{"name": "analyst"}]}
    place.postgres.kill()
    refused = analyst.post(path, json=body)
    assert (refused.status_code, refused.json()["code"]) == (503, 503)
    assert httpx.get(f"{place.urls[0]}/version").status_code == 200
    place.postgres.start()
    eventually(lambda: analyst.post(path, json=body).status_code == 200)
    for replica in place.replicas:
        replica.reload()
        assert replica.attrs["RestartCount"] == 0


def test_without_redis_nobody_signs_in_and_those_inside_stay(place, analyst, person):
    place.redis.stop(timeout=3)
    assert person().sign_in().status_code == 503
    assert analyst.get("/tokens/servers").status_code == 200
    place.redis.start()
    eventually(lambda: person().sign_in().status_code == 200)


def test_a_replica_killed_in_the_middle_leaves_users_and_roles_whole_or_not_at_all(place, analyst, person):
    somebody = person(1)
    somebody.sign_in()
    ids = [scope["id"] for scope in somebody.get(f"/admin/servers/{analyst.server}/scopes").json()]
    role = {"server_id": analyst.server, "scopes": ids, "users": [analyst.id], "latest_token_expiry": LATEST}
    names = []

    def add_for_ever():
        while True:
            names.append(new("role"))
            try:
                somebody.post("/admin/users", json={"username": names[-1], "password": USER_PASSWORD})
                somebody.post("/roles/", json={**role, "name": names[-1], "longest_token_life_minutes": 1})
            except httpx.HTTPError:
                return

    for begun, pause in ((3, 0.02), (6, 0.2)):
        thread = threading.Thread(target=add_for_ever)
        thread.start()
        while len(names) < begun:
            time.sleep(pause)
        place.replicas[1].kill()
        thread.join()
        place.replicas[1].start()
        place.urls[1] = place.url(place.replicas[1])
        somebody.base_url = place.urls[1]
    roles = [each for each in somebody.get("/roles/").json() if each["name"] in names]
    assert roles
    for each in roles:
        assert len(each["scopes"]) == len(ids)
        assert each["users"] == [analyst.id]
    users = {each["name"] for each in somebody.get("/admin/users").json()} & set(names)
    assert users >= {each["name"] for each in roles}
    for name in users:
        assert person(0).sign_in(name, USER_PASSWORD).status_code == 200


def test_no_secret_is_in_logs_environment_or_command_line(place, analyst):
    analyst.post(f"/tokens/tokens/{analyst.server}", json={"name": "x", "roles": [{"name": "analyst"}]})
    secrets = [ADMIN_PASSWORD, USER_PASSWORD, DB_PASSWORD, REDIS_PASSWORD]
    secrets += [(place.secrets / name).read_text().strip() for name in ("SECRET_KEY", "FLOWAUTH_FERNET_KEY")]
    for container in (place.replicas[0], place.postgres):
        seen = container.logs().decode()
        for command in ("cat /proc/[0-9]*/cmdline", "cat /proc/1/environ"):
            seen += container.exec_run(["sh", "-c", f"{command} | tr '\\0' '\\n'"]).output.decode()
        for secret in (*secrets, "eyJ", "BEGIN RSA"):
            assert secret not in seen


def test_a_database_of_before_roles_is_taken_over(place, person):
    database = place.start_postgres("old_postgres")
    psql = "psql -h /var/run/postgresql -U flowauth -v ON_ERROR_STOP=1 -At"
    eventually(lambda: database.exec_run(["pg_isready", "-q", "-h", "127.0.0.1"]).exit_code == 0)
    hashed = place.replicas[0].exec_run(["python", "-c", HASHER]).output.decode().strip()
    tables = OLD_TABLES.replace("{hash}", hashed.replace("$", "\\$"))
    done = database.exec_run(["sh", "-c", f"{psql} <<SQL\n{tables}\nSQL"])
    assert done.exit_code == 0, done.output
    with Person(place.url(place.start_flowauth("old_postgres", FLOWAUTH_CACHE_BACKEND="file"))) as somebody:
        assert somebody.sign_in("old", "an old password").status_code == 200
        assert somebody.sign_in().status_code == 200
        assert somebody.get("/admin/servers/1/time_limits").json()["longest_token_life_minutes"] == 120
        assert somebody.get("/admin/servers/1/scopes").json() == []
        assert somebody.post("/admin/servers/1/scopes", json={"x" * 512: True}).status_code == 200


def test_a_wrong_database_password_is_said_at_once(place):
    container = place.start(
        "flowauth_wrong",
        place.images["flowauth"],
        environment={
            "DB_URI": "postgresql://flowauth:wrong@flowauth_postgres:5432/flowauth",
        },
    )
    assert container.wait(timeout=60)["StatusCode"] == 1
    assert b"FLOWAUTH_DB_PASSWORD" in container.logs()
    assert b"Traceback" not in container.logs()


def test_the_admin_gets_the_secrets_password_back_at_every_start(place, admin):
    mine = next(user["id"] for user in admin.get("/admin/users").json() if user["name"] == ADMIN)
    assert admin.patch(f"/admin/users/{mine}", json={"password": USER_PASSWORD}).status_code == 200
    place.replicas[1].restart(timeout=15)
    place.urls[1] = place.url(place.replicas[1])
    with Person(place.urls[1]) as somebody:
        assert somebody.sign_in().status_code == 200
