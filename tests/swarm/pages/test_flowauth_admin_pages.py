"""FlowAuth's web page in a real Chromium, as admins use it; and every page, on screens of any size and by axe."""

import json
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from tests.flowauth_package import module
from tests.swarm.eventually import eventually
from tests.swarm.pages.browser import visit
from tests.swarm.pages.flowauth_deployment import ADMIN, Person, add_role, add_server, openapi, scopes_of
from tests.swarm.pages.flowauth_visits import ARTEFACTS, DESKTOP, PHONE, go, new, sign_in

pytestmark = pytest.mark.swarm


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
