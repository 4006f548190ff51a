"""FlowAuth's web page in a real Chromium, as people use it.

The browser is Debian's chromium; CHROMIUM names another one.
Screenshots are left in artefacts/pages.
"""

import base64
import contextlib
import hashlib
import hmac
import json
import struct
import time
import uuid
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright import sync_api as playwright
from playwright.sync_api import expect

from tests.flowauth_package import module
from tests.swarm.eventually import eventually
from tests.swarm.pages.browser import chromium, visit
from tests.swarm.pages.flowauth_deployment import (
    ADMIN,
    ADMIN_PASSWORD,
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

ARTEFACTS = Path(__file__).parents[3] / "artefacts" / "pages"
DESKTOP, PHONE = {"width": 1200, "height": 850}, {"width": 390, "height": 780}


def new(word):
    return f"{word}-{uuid.uuid4().hex[:6]}"


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    with deployed(tmp_path_factory.mktemp("pages")) as made:
        made.postgres, made.redis = made.start_postgres(), made.start_redis()
        made.urls = [made.url(made.start_flowauth())]
        yield made


@pytest.fixture(scope="module")
def browser():
    with chromium() as started:
        yield started


@pytest.fixture
def page(place, browser, request):
    """A page that fails the test for an error in its scripts, or for what its policy (CSP) forbids."""
    context = browser.new_context(
        viewport=DESKTOP, base_url=place.urls[0], permissions=["clipboard-read", "clipboard-write"]
    )
    opened = context.new_page()
    opened.set_default_timeout(15_000)
    expect.set_options(timeout=15_000)
    errors = []
    opened.on("pageerror", lambda error: errors.append(str(error)))
    opened.on("console", lambda said: errors.append(said.text) if "Content Security" in said.text else None)
    yield opened
    ARTEFACTS.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(playwright.Error):
        opened.screenshot(path=ARTEFACTS / f"{request.node.name}.png", full_page=True)
    context.close()
    assert errors == []


@pytest.fixture(scope="module")
def admin(place):
    with Person(place.urls[0]) as somebody:
        somebody.sign_in()
        yield somebody


@pytest.fixture(scope="module")
def server(admin):
    return add_server(admin, "shared_api")


@pytest.fixture
def analyst(admin, server):
    """A user's name, with a role of their own on the server."""
    name = new("analyst")
    add_role(admin, server, f"role of {name}", [add_user(admin, name)])
    return name


def sign_in(page, name=ADMIN, password=ADMIN_PASSWORD):
    visit(page)
    page.get_by_label("User name").fill(name)
    page.get_by_label("Password").fill(password)
    page.keyboard.press("Enter")


def sign_out(page):
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_text("You have signed out.")).to_be_visible()


def go(page, place, title):
    page.get_by_role("navigation").get_by_role("link", name=place, exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text(title)


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


def test_a_server_is_added_from_its_file_and_a_role_for_it_by_the_keyboard(page, admin, tmp_path):
    name = new("api")
    file = tmp_path / "openapi.json"
    sign_in(page)
    go(page, "Servers", "Servers")
    page.get_by_role("link", name="New server").click()
    file.write_text("{}")
    page.get_by_label("From a file").set_input_files(file)
    expect(page.get_by_text("not the specification of a FlowAPI")).to_be_visible()
    right = tmp_path / "right.json"
    right.write_text(json.dumps(openapi(name)))
    page.get_by_label("From a file").set_input_files(right)
    expect(page.get_by_text("627 scopes found")).to_be_visible()
    expect(page.get_by_label("Name", exact=True)).to_have_value(name)
    page.get_by_role("button", name="Add server").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(f"New role on {name}")
    page.get_by_label("Name", exact=True).fill("by keyboard")
    page.get_by_label("Find a scope").focus()
    page.keyboard.press("Shift+Tab")  # run, the last of the actions
    page.keyboard.press("Space")
    page.get_by_label("Every query, admin3").focus()
    page.keyboard.press("Space")
    expect(page.get_by_text("122 of 627 chosen")).to_be_visible()
    page.get_by_label("spatial_aggregate, every unit", exact=True).check()
    page.get_by_label("Find a scope").fill("daily location")
    expect(page.get_by_label("admin3:spatial_aggregate:daily_location")).to_be_checked()
    expect(page.get_by_label("calendar_activity, every unit", exact=True)).to_be_hidden()
    page.get_by_label("admin3:spatial_aggregate:daily_location").uncheck()
    whole = page.get_by_label("spatial_aggregate, every unit", exact=True)
    assert whole.evaluate("box => box.indeterminate")
    page.get_by_label("Name", exact=True).press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Roles")
    role = next(each for each in admin.get("/roles/").json() if each["name"] == "by keyboard")
    names = {scope["id"]: scope["name"] for scope in admin.get(f"/admin/servers/{role['server']}/scopes").json()}
    expected = {each for each in scopes_of(openapi()) if each.startswith("admin3:") or ":spatial_aggregate:" in each}
    expected = (expected | {"run"}) - {"admin3:spatial_aggregate:daily_location"}
    assert {names[each] for each in role["scopes"]} == expected


def test_a_changed_specification_shows_its_difference_first(page, admin, tmp_path):
    name = new("api")
    server = add_server(admin, name)
    document = openapi(name)
    scopes_of(document).remove("run")
    scopes_of(document).append("admin3:brand_new:brand_new")
    file = tmp_path / "openapi.json"
    file.write_text(json.dumps(document))
    sign_in(page)
    expect(page.get_by_role("heading", name="Your tokens")).to_be_visible()
    page.goto(f"/#/servers/{server}")
    page.get_by_label("From a file").set_input_files(file)
    expect(page.get_by_text("Saving adds 1 scopes and takes away 1")).to_be_visible()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Servers")
    now = {scope["name"] for scope in admin.get(f"/admin/servers/{server}/scopes").json()}
    assert now == set(scopes_of(document))


def test_a_specification_can_be_asked_for_but_not_of_this_container(page):
    sign_in(page)
    go(page, "Servers", "Servers")
    page.get_by_role("link", name="New server").click()
    page.get_by_text("From FlowAPI's address").click()
    address = page.get_by_label("Address")
    for url, told in (("http://api:9090", "must begin with https://"), ("https://localhost", "of this machine")):
        address.fill(url)
        page.get_by_role("button", name="Fetch").click()
        expect(page.get_by_text(told)).to_be_visible()
        expect(address).to_have_attribute("aria-invalid", "true")


def test_a_role_beyond_its_servers_limits_is_refused_at_the_field(page, server):
    sign_in(page)
    expect(page.get_by_role("heading", name="Your tokens")).to_be_visible()
    page.goto(f"/#/roles/new/{server}")
    page.get_by_label("Name", exact=True).fill(new("role"))
    life = page.get_by_label("Longest life of a token")
    life.fill("3")
    page.get_by_role("button", name="Add role").click()
    expect(page.get_by_text("A role's limits must not exceed its server's.")).to_be_visible()
    expect(life).to_be_focused()


def test_a_user_is_added_changed_and_deleted(page, place, admin, server):
    role = add_role(admin, server, new("role"), [])
    name = new("user")
    sign_in(page)
    go(page, "Users", "Users")
    page.get_by_role("link", name="New user").click()
    page.get_by_label("User name").fill(name)
    page.get_by_label("Password", exact=True).fill("weak")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Password not complex enough.")).to_be_visible()
    page.get_by_role("button", name="Suggest a password").click()
    password = page.get_by_label("Password", exact=True).input_value()
    page.get_by_label(role["name"]).check()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Users")
    with Person(place.urls[0]) as somebody:
        assert somebody.sign_in(name, password).status_code == 200
        assert [each["server_name"] for each in somebody.get("/tokens/servers").json()] == ["shared_api"]
    page.get_by_role("link", name=name).click()
    page.get_by_label("May change users").check()
    page.get_by_label(role["name"]).uncheck()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Users")
    page.get_by_role("link", name=name).click()
    expect(page.get_by_label("May change users")).to_be_checked()
    expect(page.get_by_label(role["name"])).not_to_be_checked()
    page.get_by_role("button", name="Delete user").click()
    page.get_by_role("dialog").get_by_role("button", name="Cancel").click()
    page.get_by_role("button", name="Delete user").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Users")
    expect(page.get_by_role("link", name=name)).to_have_count(0)


def test_the_last_admin_cannot_be_deleted_by_hand(page):
    sign_in(page)
    go(page, "Users", "Users")
    page.get_by_role("link", name=ADMIN, exact=True).click()
    page.get_by_role("button", name="Delete user").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(page.get_by_role("alert")).to_have_text("Removing this user would leave no admins.")


def test_the_public_key_is_shown(page):
    sign_in(page)
    go(page, "Public key", "Public key")
    expect(page.get_by_label("Public key", exact=True)).to_contain_text("BEGIN PUBLIC KEY")


PLACES = {
    "tokens": "#/",
    "account": "#/account",
    "servers": "#/servers",
    "server": "#/servers/{server}",
    "new-server": "#/servers/new",
    "roles": "#/roles",
    "role": "#/roles/{role}",
    "users": "#/users",
    "user": "#/users/1",
    "key": "#/key",
}


@pytest.mark.parametrize(("size", "scheme"), [(DESKTOP, "light"), (DESKTOP, "dark"), (PHONE, "light")])
def test_axe_finds_no_serious_fault_and_nothing_is_wider_than_the_screen(page, admin, server, size, scheme):
    mine = next(user["id"] for user in admin.get("/admin/users").json() if user["name"] == ADMIN)
    role = add_role(admin, server, new("role"), [mine])
    name = f"{size['width']}-{scheme}"
    folder = ARTEFACTS / name
    folder.mkdir(parents=True, exist_ok=True)
    page.set_viewport_size(size)
    page.emulate_media(color_scheme=scheme)
    axe = Axe()
    faults = {}

    def look(place):
        eventually(lambda: page.get_by_role("heading", level=1).count() == 1, 15)
        page.screenshot(path=folder / f"{place}.png", full_page=True)
        found = axe.run(page).response["violations"]
        serious = [fault for fault in found if fault["impact"] in {"serious", "critical"}]
        faults.update({f"{place}: {fault['id']}": fault["nodes"][0]["html"] for fault in serious})
        if page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"):
            faults[f"{place}: wider than the screen"] = ""

    visit(page)
    expect(page.get_by_label("User name")).to_be_visible()
    look("sign-in")
    sign_in(page)
    expect(page.get_by_role("heading", name="Your tokens")).to_be_visible()
    for place, path in PLACES.items():
        visit(page, f"/?{place}{path.format(server=server, role=role['id'])}")
        page.wait_for_load_state("networkidle")
        look(place)
    page.goto("/#/account")
    page.get_by_role("button", name="Set up").click()
    expect(page.get_by_role("button", name="Switch on")).to_be_visible()
    look("two-factor")
    assert faults == {}


def test_the_page_reads_a_specification_as_the_server_does(page, tmp_path):
    """Both say the same of documents that are FlowAPI's and of those that are not."""
    scopes, refusals = module("scopes"), module("refusals")
    good = openapi("x")
    documents: list[Any] = [
        good,
        {},
        None,
        {"components": []},
        {"components": {"securitySchemes": {"token": {"x-audience": 1}}}},
    ]
    page.goto("/")
    for document in documents:
        try:
            expected = list(scopes.read(document).scopes)
        except refusals.Refused:
            expected = None
        script = """async (text) => {
            const { read } = await import("/static/pages/servers.js");
            try { return read(JSON.parse(text)).scopes; } catch { return null; }
        }"""
        assert page.evaluate(script, json.dumps(document)) == expected
