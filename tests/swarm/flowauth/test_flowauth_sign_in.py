"""Who gets into the local FlowAuth image, on a real engine: passwords, cookies, sessions, two-factor codes."""

import time
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from tests.swarm.eventually import eventually
from tests.swarm.flowauth.people import at_once, new
from tests.swarm.pages.flowauth_deployment import ADMIN, ADMIN_PASSWORD, REDIS_PASSWORD, USER_PASSWORD, Person

pytestmark = pytest.mark.swarm


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
