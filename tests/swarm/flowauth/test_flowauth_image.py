"""The local FlowAuth image on a real engine, as its users and admins speak to it: tokens, roles, servers, routes."""

import re

import httpx
import jwt
import pytest
from flowkit_jwt_generator.jwt import decompress_claims

from tests.flowauth_package import module
from tests.swarm.flowauth.people import at_once, new
from tests.swarm.pages.flowauth_deployment import (
    ADMIN,
    KEY,
    LATEST,
    USER_PASSWORD,
    add_role,
    add_server,
    add_user,
    openapi,
    scopes_of,
)

pytestmark = pytest.mark.swarm


def claims(token, audience):
    return jwt.decode(token, KEY.public_key(), algorithms=["RS256"], audience=audience, leeway=5)


def test_two_replicas_that_start_at_once_make_one_database(place, admin):
    users = admin.get("/admin/users").json()
    assert [user["name"] for user in users].count(ADMIN) == 1
    sql = "psql -h /var/run/postgresql -U flowauth -Atc 'SELECT version_num FROM alembic_version'"
    assert place.postgres.exec_run(["sh", "-c", sql]).output.strip() == b"976c731ff30f"
    for replica in place.replicas:
        assert replica.exec_run(["flask", "db", "upgrade"], workdir="/FlowKit-1.34.0/flowauth/backend").exit_code == 0


def test_replies_have_the_shapes_of_the_official_flowauth(analyst, admin):
    server, role = analyst.server, analyst.role
    scopes = admin.get(f"/admin/servers/{server}/scopes").json()
    assert admin.get("/is_signed_in").json() == {
        "logged_in": True, "is_admin": True, "require_two_factor_setup": False,
    }  # fmt: skip
    assert set(scopes[0]) == {"id", "name", "enabled"}
    assert admin.get(f"/admin/servers/{server}/time_limits").json() == {
        "latest_token_expiry": "Thu, 31 Dec 2099 23:59:59 GMT",
        "longest_token_life_minutes": 2880,
    }
    assert role == {
        "id": role["id"],
        "name": "analyst",
        "scopes": sorted(scope["id"] for scope in scopes),
        "latest_token_expiry": "2099-12-31T23:59:59.000000Z",
        "longest_token_life_minutes": 2880,
        "server": server,
        "users": [analyst.id],
    }
    assert admin.get(f"/roles/{role['id']}").json() == role
    assert role in admin.patch(f"/roles/{role['id']}", json={"name": "analyst"}).json()
    assert admin.get(f"/roles/user/{analyst.id}").json() == [role]
    assert admin.get(f"/roles/{role['id']}/members").json() == [{"id": analyst.id, "name": analyst.name}]
    assert admin.get(f"/admin/users/{analyst.id}").json() == {
        "id": analyst.id,
        "name": analyst.name,
        "is_admin": False,
        "has_two_factor": False,
        "require_two_factor": False,
        "roles": [{"id": role["id"], "name": "analyst"}],
    }
    assert analyst.get("/tokens/servers").json() == [{"id": server, "server_name": analyst.server_name}]
    assert analyst.get("/user/two_factor_active").json() == {"two_factor_enabled": False}
    assert analyst.get("/user/two_factor_required").json() == {"require_two_factor": False}
    assert "BEGIN PUBLIC KEY" in admin.get("/admin/public_key").json()["public_key"]
    assert admin.get("/signin").status_code == 405
    assert admin.get("/admin/servers/2147483647").status_code == 404
    assert analyst.get("/admin/users").status_code == 401
    assert admin.delete(f"/roles/{role['id']}").json() == {"state": "done"}
    assert admin.delete(f"/admin/servers/{server}").json() == {"poll": "OK"}
    assert admin.get("/signout").json() == {"logged_in": False}
    assert admin.get("/admin/users").status_code == 401


def test_a_token_holds_what_the_roles_allow_and_ends_with_the_strictest(analyst, admin):
    short = add_role(admin, analyst.server, "short", [analyst.id], longest_token_life_minutes=5, scopes=[])
    path = f"/tokens/tokens/{analyst.server}"
    answer = analyst.post(path, json={"name": "mine", "roles": [{"name": "analyst"}]})
    assert answer.status_code == 200
    found = claims(answer.json()["token"], analyst.server_name)
    assert found["sub"] == analyst.name
    assert found["exp"] - found["iat"] == 2880 * 60
    assert decompress_claims(found["user_claims"]) == {"analyst": scopes_of(openapi())}
    both = analyst.post(path, json={"name": "both", "roles": [{"name": "analyst"}, {"name": short["name"]}]})
    found = claims(both.json()["token"], analyst.server_name)
    assert found["exp"] - found["iat"] == 300
    assert set(decompress_claims(found["user_claims"])) == {"analyst", "short"}
    listed = analyst.get(path).json()
    assert [token["name"] for token in listed] == ["mine", "both"]
    assert listed[0]["token"] == answer.json()["token"]
    assert listed[0]["expires"].endswith(" GMT")


def test_a_scope_that_is_switched_off_is_in_no_token(analyst, admin):
    admin.patch(f"/admin/servers/{analyst.server}/scopes", json={"run": False})
    answer = analyst.post(f"/tokens/tokens/{analyst.server}", json={"name": "x", "roles": [{"name": "analyst"}]})
    roles = decompress_claims(claims(answer.json()["token"], analyst.server_name)["user_claims"])
    assert "run" not in roles["analyst"]
    assert "get_result" in roles["analyst"]


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        ({"roles": [{"name": "analyst"}]}, 400, "name"),
        ({"name": "x"}, 400, "roles"),
        ({"name": "x", "roles": []}, 400, "roles"),
        ({"name": "x", "roles": [{"name": "boss"}]}, 401, "roles"),
    ],
)
def test_a_token_request_that_is_wrong_says_where(analyst, body, status, field):
    answer = analyst.post(f"/tokens/tokens/{analyst.server}", json=body)
    assert (answer.status_code, answer.json()["code"], answer.json()["bad_field"]) == (status, status, field)


def test_a_server_past_its_last_day_gives_no_token(analyst, admin):
    admin.patch(f"/admin/servers/{analyst.server}", json={"latest_token_expiry": "2020-01-01T00:00:00.0Z"})
    answer = analyst.post(f"/tokens/tokens/{analyst.server}", json={"name": "x", "roles": [{"name": "analyst"}]})
    assert answer.status_code == 401
    assert "expired" in answer.json()["message"]


def test_the_last_admin_stays_one(place, admin):
    mine = next(user["id"] for user in admin.get("/admin/users").json() if user["name"] == ADMIN)
    assert admin.patch(f"/admin/users/{mine}", json={"is_admin": False}).status_code == 400
    assert admin.delete(f"/admin/users/{mine}").status_code == 400
    second = add_user(admin, new("admin"), is_admin=True)
    outcomes = at_once(
        [
            lambda: admin.patch(f"/admin/users/{second}", json={"is_admin": False}).status_code,
            lambda: admin.patch(f"/admin/users/{mine}", json={"username": ADMIN}).status_code,
        ]
    )
    assert outcomes == [200, 200]


def test_duplicates_and_limits_beyond_the_servers_are_refused(analyst, admin):
    taken = {"username": analyst.name, "password": USER_PASSWORD, "is_admin": False}
    assert admin.post("/admin/users", json=taken).json()["message"] == "Username already exists."
    server = {"latest_token_expiry": LATEST, "longest_token_life_minutes": 1}
    assert admin.post("/admin/servers", json={**server, "name": analyst.server_name}).status_code == 400
    assert admin.post("/admin/servers", json={**server, "name": "x" * 121}).status_code == 400
    role = {"name": "analyst", "server_id": analyst.server, "scopes": [], **server}
    assert "Name already exists" in admin.post("/roles/", json=role).text
    beyond = {**role, "name": "beyond"}
    for change in ({"longest_token_life_minutes": 2881}, {"latest_token_expiry": "2100-01-01T00:00:00.0Z"}):
        answer = admin.post("/roles/", json={**beyond, **change})
        assert (answer.status_code, answer.json()["bad_field"]) == (400, next(iter(change)))
    other = add_server(admin, new("other"), scopes=["run"])
    foreign = admin.get(f"/admin/servers/{other}/scopes").json()[0]["id"]
    assert admin.patch(f"/roles/{analyst.role['id']}", json={"scopes": [foreign]}).status_code == 400


def test_a_new_specification_leaves_roles_the_scopes_that_stay(analyst, admin):
    path = f"/admin/servers/{analyst.server}/scopes"
    before = {scope["name"]: scope["id"] for scope in admin.get(path).json()}
    answer = admin.post(path, json={"run": True, "get_result": True, "brand:new:scope": True}).json()
    assert {scope["name"] for scope in answer} == {"run", "get_result", "brand:new:scope"}
    role = admin.get(f"/roles/{analyst.role['id']}").json()
    assert role["scopes"] == sorted([before["run"], before["get_result"]])


def test_every_route_is_described_and_everything_described_is_there(place):
    listed = place.replicas[0].exec_run(["flask", "routes"]).output.decode()
    routes = set()
    for line in listed.splitlines():
        if found := re.match(r"(?P<name>\S+)\s+(?P<methods>[A-Z, ]+?)\s+(?P<path>/\S*)\s*$", line):
            path = re.sub(r"<(?:[^:>]*:)?(\w+)>", r"{\1}", found["path"])
            routes |= {(method.strip(), path) for method in found["methods"].split(",")}
    routes = {(method, path) for method, path in routes if method not in {"HEAD", "OPTIONS"}}
    routes -= {("GET", path) for path in ("/", "/favicon.ico", "/static/{filename}", "/spec/openapi.json")}
    document = httpx.get(f"{place.urls[0]}/spec/openapi.json").json()
    described = {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}
    assert routes == described
    assert document == module("description").document()


def test_paths_that_lead_nowhere_are_not_found(admin):
    for path in ("/admin/users/x", "/admin/users/99999999999", "/nowhere", "/static/../models.py", "/tokens/tokens/-1"):
        assert admin.get(path).status_code == 404


def test_pages_come_with_prudent_headers(place):
    for path in ("/", "/static/main.js", "/version"):
        headers = httpx.get(f"{place.urls[0]}{path}").headers
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert "unsafe" not in headers["Content-Security-Policy"]
        assert headers["X-Content-Type-Options"] == "nosniff"
