"""The local FlowAuth image on a real engine: two replicas, the local PostgreSQL image, and redis."""

import re
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from urllib.parse import parse_qs, urlsplit

import httpx
import jwt
import pytest
from flowkit_jwt_generator.jwt import decompress_claims

from tests.flowauth_package import module
from tests.swarm.eventually import eventually
from tests.swarm.pages.flowauth_deployment import (
    ADMIN,
    ADMIN_PASSWORD,
    DB_PASSWORD,
    KEY,
    LATEST,
    REDIS_PASSWORD,
    USER_PASSWORD,
    Person,
    add_role,
    add_server,
    add_user,
    deployed,
    openapi,
    scopes_of,
)

pytestmark = pytest.mark.swarm


def new(word):
    return f"{word}-{uuid.uuid4().hex[:8]}"


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    with deployed(tmp_path_factory.mktemp("flowauth")) as made:
        # FlowAuth first: it must wait for its database, and both must migrate it at once
        made.replicas = [made.start_flowauth() for _ in range(2)]
        made.redis = made.start_redis()
        made.postgres = made.start_postgres()
        made.urls = [made.url(replica) for replica in made.replicas]
        yield made


@pytest.fixture
def person(place):
    """A maker of people at the first replica or another."""
    made = []

    def make(replica=0):
        made.append(Person(place.urls[replica]))
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.fixture
def admin(person):
    somebody = person()
    assert somebody.sign_in().status_code == 200
    return somebody


@pytest.fixture
def analyst(admin, person):
    """A signed-in user with a role on a server of their own."""
    name = new("analyst")
    user = add_user(admin, name)
    server_name = new("server")
    server = add_server(admin, server_name)
    role = add_role(admin, server, "analyst", [user])
    somebody = person()
    assert somebody.sign_in(name, USER_PASSWORD).status_code == 200
    somebody.name, somebody.id, somebody.server, somebody.server_name, somebody.role = (
        name, user, server, server_name, role,
    )  # fmt: skip
    return somebody


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


def test_without_the_csrf_token_nothing_is_changed(admin):
    for token in ("", "guessed"):
        answer = admin.post("/admin/users", json={"username": new("x")}, headers={"X-CSRF-Token": token})
        assert (answer.status_code, answer.text) == (401, "CSRF error")


def test_another_sites_page_can_neither_sign_in_nor_out_nor_change(admin, person):
    other = {"Sec-Fetch-Site": "cross-site"}
    body = {"username": ADMIN, "password": ADMIN_PASSWORD}
    assert person().post("/signin", json=body, headers=other).text == "CSRF error"
    assert admin.get("/signout", headers=other).status_code == 401
    assert admin.post("/admin/users", json={}, headers=other).text == "CSRF error"
    assert admin.get("/is_signed_in").status_code == 200


def test_a_form_of_another_site_cannot_sign_in(person):
    body = f'{{"username": "{ADMIN}", "password": "{ADMIN_PASSWORD}", "x": "='
    assert person().post("/signin", content=body + '"}', headers={"Content-Type": "text/plain"}).status_code == 400


def test_cookies_are_as_strict_as_the_interface_allows(place, person):
    plain = person().sign_in().headers.get_list("set-cookie")
    proxied = httpx.get(f"{place.urls[0]}/version", headers={"X-Forwarded-Proto": "https"}).headers.get_list(
        "set-cookie"
    )
    for cookie in (*plain, *proxied):
        assert "SameSite=Lax" in cookie
    session = next(cookie for cookie in plain if cookie.startswith("session="))
    token = next(cookie for cookie in plain if cookie.startswith("X-CSRF="))
    assert "HttpOnly" in session
    assert "HttpOnly" not in token
    assert all("Secure" in cookie for cookie in proxied)


def test_nobody_learns_which_users_exist(analyst, person):
    def attempt(name):
        start = time.perf_counter()
        answer = person().sign_in(name, "wrong")
        return answer.status_code, answer.json(), time.perf_counter() - start

    attempt(analyst.name)
    there = [attempt(analyst.name) for _ in range(5)]
    nowhere = [attempt(new("nobody")) for _ in range(5)]
    assert {(status, str(body)) for status, body, _ in there} == {(status, str(body)) for status, body, _ in nowhere}
    assert there[0][:2] == (401, {"code": 401, "message": "Incorrect username or password."})
    # A missing hash would make it ten times as fast
    assert min(seconds for *_, seconds in nowhere) > 0.3 * min(seconds for *_, seconds in there)


def test_too_many_wrong_passwords_close_the_door_at_every_replica(place, analyst, person):
    statuses = [person(number % 2).sign_in(analyst.name, "wrong").status_code for number in range(12)]
    assert statuses == [401] * 10 + [429] * 2
    refused = person(1).sign_in(analyst.name, USER_PASSWORD)
    assert refused.status_code == 429
    assert int(refused.headers["Retry-After"]) <= 300
    assert person().sign_in().status_code == 200  # others are not concerned
    place.redis.exec_run(["redis-cli", "-a", REDIS_PASSWORD, "FLUSHALL"])


def set_up_two_factor(somebody):
    offer = somebody.post("/user/enable_two_factor").json()
    assert len(offer["backup_codes"]) == 16
    assert all(len(code) == 10 for code in offer["backup_codes"])
    assert offer["qr_code"].startswith("data:image/svg+xml")
    secret = parse_qs(urlsplit(offer["provisioning_url"]).query)["secret"][0]
    answer = somebody.post(
        "/user/confirm_two_factor",
        json={
            "two_factor_code": code_of(secret),
            "secret": offer["secret"],
            "backup_codes_signature": offer["backup_codes_signature"],
        },
    )
    assert answer.json() == {"two_factor_enabled": True}
    return secret, offer["backup_codes"]


def code_of(secret, at=None):
    """RFC 6238, by hand: an independent counterpart."""
    import base64
    import hashlib
    import hmac
    import struct

    counter = int((time.time() if at is None else at) // 30)
    digest = hmac.new(base64.b32decode(secret), struct.pack(">Q", counter), hashlib.sha1).digest()
    offset = digest[-1] & 15
    number = struct.unpack(">I", digest[offset : offset + 4])[0] & 0x7FFFFFFF
    return f"{number % 1_000_000:06}"


def fresh_code(secret, used):
    """One that was not used, with time enough to use it."""
    return eventually(lambda: (code := code_of(secret)) != used and time.time() % 30 < 20 and code, 61)


def at_once(calls):
    gate = threading.Barrier(len(calls))

    def go(call):
        gate.wait()
        return call()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(go, calls))


def test_a_code_works_once_whichever_replicas_are_asked_at_once(analyst, person):
    started = code_of
    secret, backups = set_up_two_factor(analyst)
    used = started(secret)
    name = analyst.name
    first = person().sign_in(name, USER_PASSWORD)
    assert (first.status_code, first.json()["need_two_factor"]) == (400, True)
    assert person().sign_in(name, "wrong", two_factor_code="000000").status_code == 401
    code = fresh_code(secret, used)
    people = [person(number % 2) for number in range(6)]
    answers = at_once([lambda each=each: each.sign_in(name, USER_PASSWORD, two_factor_code=code) for each in people])
    assert sorted(answer.status_code for answer in answers) == [200] + [401] * 5
    assert person(1).sign_in(name, USER_PASSWORD, two_factor_code=code).json()["message"] == "Code not valid."
    people = [person(number % 2) for number in range(4)]
    answers = at_once(
        [lambda each=each: each.sign_in(name, USER_PASSWORD, two_factor_code=backups[0]) for each in people]
    )
    assert sorted(answer.status_code for answer in answers) == [200] + [401] * 3
    assert person(1).sign_in(name, USER_PASSWORD, two_factor_code=backups[1]).status_code == 200


def test_new_backup_codes_take_the_place_of_the_old(analyst, person):
    _, backups = set_up_two_factor(analyst)
    offer = analyst.get("/user/generate_two_factor_backups").json()
    signature = {"backup_codes_signature": offer["backup_codes_signature"]}
    assert analyst.post("/user/generate_two_factor_backups", json=signature).json() == {"backups_reset": True}
    assert person().sign_in(analyst.name, USER_PASSWORD, two_factor_code=backups[0]).status_code == 401
    new_code = offer["backup_codes"][0]
    assert person().sign_in(analyst.name, USER_PASSWORD, two_factor_code=new_code).status_code == 200
    assert analyst.post("/user/disable_two_factor").json() == {"two_factor_enabled": False}
    assert person().sign_in(analyst.name, USER_PASSWORD).status_code == 200


def test_one_persons_two_factor_set_up_is_of_no_use_to_another(analyst, admin):
    offer = analyst.post("/user/enable_two_factor").json()
    secret = parse_qs(urlsplit(offer["provisioning_url"]).query)["secret"][0]
    stolen = {
        "two_factor_code": code_of(secret),
        "secret": offer["secret"],
        "backup_codes_signature": offer["backup_codes_signature"],
    }
    assert admin.post("/user/confirm_two_factor", json=stolen).status_code == 401
    assert analyst.post("/user/confirm_two_factor", json={**stolen, "secret": "x"}).status_code == 401


def test_whoever_must_use_two_factor_can_do_nothing_before(analyst, admin):
    admin.patch(f"/admin/users/{analyst.id}", json={"require_two_factor": True})
    assert analyst.get("/is_signed_in").json()["require_two_factor_setup"] is True
    assert analyst.get("/tokens/servers").status_code == 401
    set_up_two_factor(analyst)
    assert analyst.get("/tokens/servers").status_code == 200
    assert analyst.post("/user/disable_two_factor").status_code == 400
    admin.patch(f"/admin/users/{analyst.id}", json={"has_two_factor": False})
    assert analyst.get("/user/two_factor_active").json() == {"two_factor_enabled": False}


def test_a_new_password_ends_every_other_session(place, analyst, person):
    elsewhere = person(1)
    elsewhere.sign_in(analyst.name, USER_PASSWORD)
    weak = analyst.patch("/user/password", json={"password": USER_PASSWORD, "newPassword": "password1"})
    assert (weak.status_code, weak.json()["bad_field"]) == (400, "newPassword")
    assert weak.json()["message"] == "Password not complex enough."
    wrong = analyst.patch("/user/password", json={"password": "wrong", "newPassword": "x"})
    assert (wrong.status_code, wrong.json()["bad_field"]) == (400, "password")
    better = "seven purple trombones whistle"
    assert analyst.patch("/user/password", json={"password": USER_PASSWORD, "newPassword": better}).json() == {}
    assert analyst.get("/is_signed_in").status_code == 200
    assert elsewhere.get("/is_signed_in").status_code == 401
    assert person().sign_in(analyst.name, better).status_code == 200


def test_the_session_before_signing_in_is_not_the_one_after(place):
    with Person(place.urls[0]) as somebody:
        somebody.get("/version")
        before = somebody.cookies["session"]
        somebody.sign_in()
        fixed = httpx.get(f"{place.urls[0]}/is_signed_in", cookies={"session": before})
    assert fixed.status_code == 401


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


OLD_TABLES = """
CREATE TABLE "user" (id SERIAL PRIMARY KEY, username VARCHAR(75) NOT NULL UNIQUE, _password TEXT NOT NULL,
  is_admin BOOLEAN, require_two_factor BOOLEAN);
CREATE TABLE server (id SERIAL PRIMARY KEY, name VARCHAR(75) NOT NULL UNIQUE,
  latest_token_expiry TIMESTAMP NOT NULL, longest_token_life INTEGER NOT NULL);
CREATE TABLE two_factor_auth (user_id INTEGER PRIMARY KEY REFERENCES "user", enabled BOOLEAN NOT NULL,
  _secret_key TEXT NOT NULL);
CREATE TABLE two_factor_backup (id SERIAL PRIMARY KEY, auth_id INTEGER NOT NULL REFERENCES two_factor_auth,
  _backup_code TEXT NOT NULL);
CREATE TABLE "group" (id SERIAL PRIMARY KEY, name VARCHAR(75) NOT NULL UNIQUE, user_group BOOLEAN);
CREATE TABLE group_memberships (user_id INTEGER REFERENCES "user", group_id INTEGER REFERENCES "group",
  PRIMARY KEY (user_id, group_id));
CREATE TABLE group_server_token_limits (id SERIAL PRIMARY KEY, latest_end TIMESTAMP NOT NULL,
  longest_life INTEGER NOT NULL, server_id INTEGER NOT NULL REFERENCES server,
  group_id INTEGER NOT NULL REFERENCES "group");
CREATE TABLE server_capability (id SERIAL PRIMARY KEY, server_id INTEGER NOT NULL REFERENCES server,
  capability TEXT NOT NULL, capability_hash VARCHAR(32) NOT NULL, enabled BOOLEAN);
CREATE TABLE group_server_permission (id SERIAL PRIMARY KEY, group_id INTEGER NOT NULL REFERENCES "group",
  server_capability_id INTEGER NOT NULL REFERENCES server_capability);
CREATE TABLE token (id SERIAL PRIMARY KEY, name VARCHAR(75) NOT NULL, _token TEXT NOT NULL,
  expires TIMESTAMP NOT NULL, owner_id INTEGER NOT NULL REFERENCES "user",
  server_id INTEGER NOT NULL REFERENCES server);
-- argon2 of "an old password", as passlib wrote it
INSERT INTO "user" (username, _password, is_admin) VALUES ('old', '{hash}', false);
INSERT INTO server (name, latest_token_expiry, longest_token_life) VALUES ('old_api', '2099-01-01', 120);
INSERT INTO "group" (name, user_group) VALUES ('old', true);
INSERT INTO group_memberships VALUES (1, 1);
"""
HASHER = "import argon2; print(argon2.PasswordHasher(2, 102400, 8, 16, 16).hash('an old password'))"


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


def test_fifty_sign_ins_at_once_are_all_answered(place):
    people = [Person(place.urls[number % 2]) for number in range(50)]
    for somebody in people:
        somebody.timeout = 90
    answers = at_once([lambda each=each: each.sign_in().status_code for each in people])
    assert answers == [200] * 50
    for somebody in people:
        somebody.close()


def test_an_idle_session_ends_after_twenty_minutes(place):
    cookies = httpx.get(f"{place.urls[0]}/version").headers.get_list("set-cookie")
    session = next(cookie for cookie in cookies if cookie.startswith("session="))
    left = parsedate_to_datetime(session.split("Expires=")[1].split(";")[0]) - datetime.now(UTC)
    assert timedelta(minutes=19) < left <= timedelta(minutes=20)
