"""What people do on every page of FlowAuth; no test is here."""

import uuid
from pathlib import Path

from playwright.sync_api import expect

from tests.swarm.pages.browser import visit
from tests.swarm.pages.flowauth_deployment import ADMIN, ADMIN_PASSWORD

ARTEFACTS = Path(__file__).parents[3] / "artefacts" / "pages"
DESKTOP, PHONE = {"width": 1200, "height": 850}, {"width": 390, "height": 780}


def new(word):
    return f"{word}-{uuid.uuid4().hex[:6]}"


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
