"""Every command of the README, run as it stands there, in its order."""

import re
import shlex
import shutil
import subprocess

import pytest
import trustme

from tests.swarm.machine import INVOKE, REPOSITORY, Machine, ports
from tests.swarm.pages.browser import chromium, visit

pytestmark = pytest.mark.swarm

STACK = "selftest-readme"
PORTS = ports(27500)
README = (REPOSITORY / "README.md").read_text()
NAMES = ("flowkit.api", "flow.api", "localhost", "127.0.0.1", "::1")
ELSEWHERE = {
    "./bootstrap.sh nox": "this run is part of it",
    "invoke images.save FILE": "tests/swarm/test_images.py",
    "invoke images.load FILE": "tests/swarm/test_images.py",
}
"""Commands that this test cannot run from within itself, and where they are run."""


def commands():
    """The lines of the README's shell blocks, without comments."""
    for block in re.findall(r"```sh\n(.*?)```", README, re.DOTALL):
        for line in block.splitlines():
            command = re.sub(r"\s+#.*", "", line).strip()
            if command and command not in ELSEWHERE:
                yield command


@pytest.fixture(scope="module")
def machine(tmp_path_factory):
    made = Machine.make(tmp_path_factory.mktemp("readme"), STACK, **PORTS)
    authority = trustme.CA()
    certificate = authority.issue_cert(*NAMES)
    certificate.private_key_pem.write_to_path(made.folder / "key.pem")
    for blob in certificate.cert_chain_pems:
        blob.write_to_path(made.folder / "certificate.pem", append=True)
    yield made
    made.invoke("purge", "--stack", STACK, expect=None)


def run(machine, command, stdin=b""):
    """As a person would type it after `. .venv/bin/activate`."""
    words = shlex.split(command.replace("--stack flowkit", f"--stack {STACK}"))
    environment = machine.environment
    environment["PATH"] = f"{INVOKE.parent}:{environment['PATH']}"
    if words[0] == "./bootstrap.sh":
        (machine.folder / ".venv").symlink_to(INVOKE.parents[1])  # what it would make is there already
    done = subprocess.run(
        words, cwd=machine.folder, env=environment, input=stdin, capture_output=True, timeout=1200, check=False
    )
    said = f"{command}: status {done.returncode}\n{done.stdout.decode()}\n{done.stderr.decode()}"
    return done, said


def test_every_command_of_the_readme_works_in_its_order(machine):
    ran = []
    for command in commands():
        done, said = run(machine, command)
        assert done.returncode == (
            2 if command.startswith("invoke plan") and b"nothing to do" not in done.stdout else 0
        ), said
        ran.append(command)

    assert len(ran) >= 15
    assert any(command.startswith("./bootstrap.sh invoke quickstart") for command in ran)


def test_the_readmes_python_gets_an_answer(machine):
    """The example, with a token of `flowapi.token` and this test's port."""
    shutil.rmtree(machine.folder / "certificates")  # of the stack that was purged
    machine.invoke("quickstart")
    machine.invoke("secrets.export-public", "certificates")
    token = machine.invoke("flowapi.token").stdout
    printed = run_example(machine, token, "print(flowclient.get_available_dates(connection=connection))")

    assert b"2016-01-07" in printed


QUERY = """
homes = flowclient.daily_location_spec(date="2016-01-03", aggregation_unit="admin2", method="last")
print(flowclient.spatial_aggregate(connection=connection, locations=homes).get_result().columns.to_list())
"""


def test_a_person_signs_in_makes_a_token_and_gets_a_result(machine):
    """With what quickstart says at its end, in a browser."""
    said = machine.invoke("quickstart").stdout
    [address] = re.findall(r"flowauth +(https://\S+)", said)
    [user] = re.findall(r"log in as +(\w+), invoke secrets.show FLOWAUTH_ANALYST_PASSWORD", said)
    with chromium() as browser:
        page = browser.new_context(ignore_https_errors=True).new_page()
        visit(page, address)
        page.get_by_label("User name").fill(user)
        page.get_by_label("Password", exact=True).fill(machine.value("FLOWAUTH_ANALYST_PASSWORD"))
        page.get_by_role("button", name="Sign in").click()
        page.get_by_label("Name of the new token").fill("notebook")
        page.get_by_role("button", name="Make token").click()
        token = page.get_by_role("textbox", name="Token notebook").inner_text()

    assert b"pcod" in run_example(machine, token, QUERY)


def run_example(machine, token, more):
    """What the README's Python prints with this token, this test's port and a few lines more."""
    [example] = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    program = example.replace("9090", PORTS["FLOWAPI_HOST_PORT"]).replace('"…"', repr(token)) + more
    done = subprocess.run(
        [str(INVOKE.with_name("python")), "-"],
        input=program.encode(),
        cwd=machine.folder,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout
