"""A browser for each module, and FlowAuth's web page in it, of a deployment of its own.

The browser is Debian's chromium; CHROMIUM names another one.
Screenshots are left in artefacts/pages.
"""

import contextlib

import pytest
from playwright import sync_api as playwright
from playwright.sync_api import expect

from tests.swarm.pages.browser import chromium
from tests.swarm.pages.flowauth_deployment import Person, add_role, add_server, add_user, deployed
from tests.swarm.pages.flowauth_visits import ARTEFACTS, DESKTOP, new


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
