"""FlowAuth's web page in a real Chromium, as analysts use it."""

import base64
import hashlib
import hmac
import json
import struct
import time
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import expect

from tests.swarm.pages.flowauth_deployment import ADMIN_PASSWORD, USER_PASSWORD, Person
from tests.swarm.pages.flowauth_visits import go, sign_in, sign_out

pytestmark = pytest.mark.swarm


def code_of(secret):
    """RFC 6238, by hand: an independent counterpart."""
    digest = hmac.new(base64.b32decode(secret), struct.pack(">Q", int(time.time() // 30)), hashlib.sha1).digest()
    offset = digest[-1] & 15
    return f"{(struct.unpack('>I', digest[offset : offset + 4])[0] & 0x7FFFFFFF) % 1_000_000:06}"


def test_a_wrong_password_is_said_and_the_right_one_works(page):
    sign_in(page, password="wrong")
    expect(page.get_by_role("alert")).to_have_text("Incorrect username or password.")
    page.get_by_label("Password").fill(ADMIN_PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Your tokens")).to_be_visible()
    sign_out(page)
    page.reload()
    expect(page.get_by_label("User name")).to_be_focused()


def test_a_token_is_made_copied_downloaded_and_listed(page, analyst):
    sign_in(page, analyst, USER_PASSWORD)
    for place in ("Servers", "Users", "Roles", "Public key"):
        expect(page.get_by_role("link", name=place)).to_have_count(0)
    page.get_by_label("Name of the new token").fill("my laptop")
    page.get_by_role("button", name="Make token").click()
    token = page.get_by_role("textbox", name="Token my laptop").inner_text()
    claims = json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))
    assert (claims["sub"], claims["aud"]) == (analyst, "shared_api")
    page.get_by_role("button", name="Copy token my laptop").first.click()
    expect(page.get_by_role("status").last).to_contain_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == token
    with page.expect_download() as downloaded:
        page.get_by_role("button", name="Download token my laptop").first.click()
    assert downloaded.value.suggested_filename == "shared_api-my-laptop.token"
    assert Path(downloaded.value.path()).read_text() == token
    page.reload()
    row = page.get_by_role("row", name="my laptop")
    expect(row).to_contain_text("in 48 hours")


def test_a_form_that_lacks_something_says_so_at_the_field(page, analyst):
    sign_in(page, analyst, USER_PASSWORD)
    page.get_by_role("button", name="Make token").click()
    name = page.get_by_label("Name of the new token")
    expect(name).to_be_focused()
    expect(name).to_have_attribute("aria-invalid", "true")
    name.fill("x")
    page.get_by_role("checkbox").uncheck()
    page.get_by_role("button", name="Make token").click()
    expect(page.get_by_role("alert")).to_have_text("Choose at least one role.")


def test_a_password_is_changed_when_it_is_good_enough(page, analyst):
    sign_in(page, analyst, USER_PASSWORD)
    go(page, "Account", "Your account")
    better = "nine crimson ladders humming"
    for wanted, told in (("password1", "Password not complex enough."), (better, None)):
        page.get_by_label("Present password").fill(USER_PASSWORD)
        page.get_by_label("New password", exact=True).fill(wanted)
        page.get_by_label("New password once more").fill(wanted)
        page.get_by_role("button", name="Change password").click()
        expect(page.get_by_text(told or "Your password has been changed.")).to_be_visible()
    sign_out(page)
    sign_in(page, analyst, better)
    expect(page.get_by_role("heading", name="Your tokens")).to_be_visible()


def test_two_factor_is_set_up_by_qr_code_and_then_asked_for(page, analyst, place):
    sign_in(page, analyst, USER_PASSWORD)
    go(page, "Account", "Your account")
    with page.expect_response("**/user/enable_two_factor") as answered:
        page.get_by_role("button", name="Set up").click()
    offer = answered.value.json()
    secret = parse_qs(urlsplit(offer["provisioning_url"]).query)["secret"][0]
    drawn = page.get_by_alt_text("QR code for your authenticator app")
    assert drawn.evaluate("image => image.complete && image.naturalWidth > 100")
    expect(page.get_by_text(offer["backup_codes"][15])).to_be_visible()
    page.get_by_label("Code", exact=True).fill("000000")
    page.get_by_role("button", name="Switch on").click()
    expect(page.get_by_role("alert").last).to_have_text("Code not valid.")
    used = code_of(secret)
    page.get_by_label("Code", exact=True).fill(f"{used[:3]} {used[3:]}")
    page.get_by_role("button", name="Switch on").click()
    expect(page.get_by_role("button", name="Switch off")).to_be_visible()
    sign_out(page)
    sign_in(page, analyst, USER_PASSWORD)
    code = page.get_by_label("Code", exact=True)
    code.fill(used)
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_have_text("Code not valid.")  # it was used to set up
    code.fill(offer["backup_codes"][0])
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Your tokens")).to_be_visible()
    with Person(place.urls[0]) as again:
        reused = again.sign_in(analyst, USER_PASSWORD, two_factor_code=offer["backup_codes"][0])
        assert reused.status_code == 401
    go(page, "Account", "Your account")
    page.get_by_role("button", name="New backup codes").click()
    page.get_by_role("button", name="I have kept them, use them").click()
    expect(page.get_by_text("The new codes are in force")).to_be_visible()
    page.get_by_role("button", name="Switch off").click()
    page.get_by_role("dialog").get_by_role("button", name="Switch off").click()
    expect(page.get_by_role("button", name="Set up")).to_be_visible()


def test_who_must_use_two_factor_is_led_there(page, admin, analyst):
    mine = next(user["id"] for user in admin.get("/admin/users").json() if user["name"] == analyst)
    admin.patch(f"/admin/users/{mine}", json={"require_two_factor": True})
    sign_in(page, analyst, USER_PASSWORD)
    expect(page.get_by_text("An admin asks you to set up")).to_be_visible()
    page.goto("/#/")
    expect(page.get_by_role("heading", level=1)).to_have_text("Your account")


def test_an_expired_session_leads_back_to_where_one_was(page, analyst):
    sign_in(page, analyst, USER_PASSWORD)
    expect(page.get_by_role("heading", name="Your tokens")).to_be_visible()  # else its answer brings the cookie again
    go(page, "Account", "Your account")
    page.context.clear_cookies(name="session")
    page.get_by_role("link", name="Tokens").click()
    expect(page.get_by_text("Your session has ended.")).to_be_visible()
    page.get_by_label("User name").fill(analyst)
    page.get_by_label("Password").fill(USER_PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Your tokens")).to_be_visible()


def test_a_lapsed_csrf_token_costs_nothing_and_a_stolen_form_does_nothing(page, analyst, admin):
    sign_in(page, analyst, USER_PASSWORD)
    expect(page.get_by_role("heading", name="Your tokens")).to_be_visible()
    page.evaluate("document.cookie = 'X-CSRF=lapsed; path=/'")
    page.get_by_label("Name of the new token").fill("after all")
    page.get_by_role("button", name="Make token").click()
    expect(page.get_by_role("textbox", name="Token after all")).to_be_visible()
    # A page of another site, whose form is sent with the person's cookies
    before = len(admin.get("/admin/users").json())
    target = f"{page.url.split('#')[0]}tokens/tokens/1"
    thief = page.context.new_page()
    thief.route(
        "https://thief.test/",
        lambda route: route.fulfill(
            content_type="text/html",
            body=f'<form method="post" action="{target}" enctype="text/plain"><input name="x"></form>',
        ),
    )
    thief.goto("https://thief.test/")
    with thief.expect_navigation():
        thief.evaluate("document.forms[0].submit()")
    assert thief.inner_text("body") == "CSRF error"
    assert len(admin.get("/admin/users").json()) == before
