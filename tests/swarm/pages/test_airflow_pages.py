"""The pages of Airflow and Flower in a real Chromium, as FlowETL's people use them, over a deployment of their own.

The browser is Debian's chromium; CHROMIUM names another one.
Screenshots are left in artefacts/pages.
"""

import contextlib
import re
from pathlib import Path
from urllib.parse import quote

import pytest
from playwright import sync_api as playwright
from playwright.sync_api import expect

from tests.swarm.machine import execute
from tests.swarm.machine import ports as published
from tests.swarm.neighbour import neighbour

pytestmark = pytest.mark.swarm

ARTEFACTS = Path(__file__).parents[3] / "artefacts" / "pages"
STACK, FIRST_PORT = "selftest-airflow", 20500
PORTS = published(FIRST_PORT)
AIRFLOW, FLOWER = (f"http://localhost:{PORTS[name]}" for name in ("FLOWETL_HOST_PORT", "FLOWETL_CELERY_PORT"))
DAY, ROWS = "2016-01-13", 400
LOADED = 300_000  # ms; three dozen tasks, some at once


@pytest.fixture(scope="module")
def machine(tmp_path_factory):
    """FlowDB and Airflow with the example DAGs, made quicker, and a day's file of calls."""
    place = tmp_path_factory.mktemp("pages")
    dags = place / "dags"
    with neighbour(place / "here", STACK, FIRST_PORT, FLOWETL_HOST_DAG_DIR=str(dags)) as made:
        made.invoke("etl.init", str(dags))
        options = dags / "when_to_load.py"
        quick, count = re.subn("(?m)^QUIET_FOR = .*$", "QUIET_FOR = 1", options.read_text())
        assert count == 1
        options.write_text(quick)
        made.invoke("deploy", "--target", "flowetl")
        made.invoke("etl.sample", "--date", DAY, "--type", "calls", "--rows", str(ROWS))
        yield made


@contextlib.contextmanager
def opened(browser, name, **more):
    """A page in a session of its own, whose last look is kept."""
    context = browser.new_context(viewport={"width": 1300, "height": 900}, **more)
    page = context.new_page()
    page.set_default_timeout(30_000)
    try:
        yield page
    finally:
        ARTEFACTS.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(playwright.Error):
            page.screenshot(path=ARTEFACTS / f"{name}.png", full_page=True)
        context.close()


@pytest.fixture
def page(machine, browser, request):
    with opened(browser, request.node.name, base_url=AIRFLOW) as made:
        yield made


def sign_in(page, password):
    page.goto("/home")
    page.get_by_label("Username").fill("admin")
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign In").click()


def test_airflow_lets_nobody_in_with_another_password(machine, page):
    sign_in(page, "admin")
    expect(page.get_by_text("Invalid login. Please try again.")).to_be_visible()
    page.goto("/home")
    expect(page).to_have_url(re.compile("/login/"))


def test_a_day_is_chosen_triggered_and_seen_to_succeed(machine, page):
    sign_in(page, machine.value("FLOWETL_AIRFLOW_ADMIN_PASSWORD"))
    row = page.get_by_role("row").filter(has=page.get_by_role("link", name="load_calls", exact=True))
    expect(row).to_be_visible()

    row.get_by_role("link", name="Trigger DAG").click()
    page.wait_for_url(re.compile("/trigger"))  # and until its script is there, which opens what is clicked next
    page.get_by_role("link", name="Generated Configuration JSON and Dagrun Options").click()
    page.get_by_label("Logical date:").fill(f"{DAY} 00:00:00+00:00")
    page.get_by_role("button", name="Trigger", exact=True).click()
    page.wait_for_url(re.compile("/home"))

    page.goto(f"/dags/load_calls/grid?dag_run_id={quote(f'manual__{DAY}T00:00:00+00:00')}")
    status = page.get_by_role("row").filter(has=page.get_by_text("Status", exact=True))
    expect(status).to_contain_text(re.compile("running|success"))
    expect(status).to_contain_text("success", timeout=LOADED)
    counted = execute(STACK, "flowdb", "psql", "-Atc", "SELECT count(*), min(datetime)::date FROM events.calls")
    assert counted == f"{ROWS}|{DAY}\n"


def test_flower_asks_for_its_password_and_shows_the_worker(machine, browser):
    with opened(browser, "test_flower_refuses") as page, pytest.raises(playwright.Error, match="AUTH_CREDENTIALS"):
        page.goto(FLOWER)
    login = {"username": "flower", "password": machine.value("FLOWETL_CELERY_PASSWORD")}
    with opened(browser, "test_flower_shows_the_worker", http_credentials=login) as page:
        page.goto(FLOWER)
        row = page.get_by_role("row").filter(has_text="celery@")
        expect(row).to_have_count(1)
        expect(row).to_contain_text("Online")
