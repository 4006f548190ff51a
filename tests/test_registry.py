"""Official images are named by digest, and what a registry says is understood.  The registry itself: tests/swarm."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from secrets_quickstart.catalog.images import BY_NAME
from secrets_quickstart.errors import ImageError
from secrets_quickstart.swarm import registry
from secrets_quickstart.swarm.registry import Account, Amount, LoginRefused, Official, Registry
from tests.fakes import FakeEngine

DIGEST = "sha256:" + "a" * 64


@pytest.mark.parametrize(
    ("prefix", "name"),
    [
        ("", "flowminder/flowdb"),
        ("r.example:5000", "r.example:5000/flowminder/flowdb"),
        ("r.example/mirror/", "r.example/mirror/flowminder/flowdb"),
    ],
)
def test_the_prefix_comes_before_the_official_name(prefix, name):
    assert registry.repository(BY_NAME["flowdb"], prefix) == name


def test_what_is_deployed_has_the_tag_to_read_and_the_digest_to_run():
    official = Official(BY_NAME["redis"], "r:1/redis", "7.2", DIGEST)
    assert official.reference == f"r:1/redis:7.2@{DIGEST}"
    assert official.held_as == f"r:1/redis@{DIGEST}"
    found = registry.variables([official])
    assert f"{found['REDIS_IMAGE']}:{found['REDIS_TAG']}{found['REDIS_PIN']}" == official.reference


@pytest.mark.parametrize(
    ("said", "meaning"),
    [
        ('Get "https://r/v2/": dial tcp: lookup r: no such host', "cannot be reached"),
        ('Head "http://r/v2/x": no basic auth credentials', "wants a login"),
        ("unauthorized: authentication required", "wants a login"),
        ("manifest unknown: manifest unknown", "does not have it"),
        ("x509: certificate signed by unknown authority", "not trusted"),
        ("http: server gave HTTP response to HTTPS client", "not trusted"),
    ],
)
def test_the_engines_words_are_explained_and_kept(said, meaning):
    problem = registry.refusal("r/x:1", 500, said)
    assert meaning in problem.why
    assert said in problem.why
    assert problem.fix


def test_a_refused_login_is_told_from_other_refusals():
    assert isinstance(registry.refusal("r/x:1", 401, ""), LoginRefused)
    assert not isinstance(registry.refusal("r/x:1", 404, "manifest unknown"), LoginRefused)


def test_words_that_nobody_knows_are_shown_as_they_are():
    assert registry.refusal("r/x:1", 500, "the moon is full").why == "the moon is full"
    assert registry.refusal("r/x:1", 503, "").why == "status 503"


def test_the_password_is_the_files_content_without_the_newline(tmp_path):
    (tmp_path / "password").write_text(" p w \n")
    password = Account("u", tmp_path / "password").password()
    assert password.text() == " p w "
    assert "p w" not in repr(Account("u", tmp_path / "password"))


@pytest.mark.parametrize("content", [b"", b"\n", b"\xff\xfe", None])
def test_a_password_file_without_a_password_is_an_error(tmp_path, content):
    if content is not None:
        (tmp_path / "password").write_bytes(content)
    with pytest.raises(LoginRefused) as caught:
        Account("u", tmp_path / "password").password()
    assert str(tmp_path / "password") in str(caught.value)


def test_progress_is_told_at_every_tenth_and_never_twice():
    amount = Amount()
    shown = []
    for here in range(0, 101, 2):
        detail = {"current": here * 10**6, "total": 100 * 10**6}
        if amount.take({"status": "Downloading", "id": "layer", "progressDetail": detail}):
            shown.append(str(amount))
    assert len(shown) == 11
    assert shown[-1] == "pulling: 100 of 100 MB"
    assert not amount.take({"status": "Pull complete", "id": "layer"})


def test_a_layer_that_is_here_counts_in_full():
    amount = Amount()
    amount.take({"status": "Downloading", "id": "a", "progressDetail": {"current": 1, "total": 10_000_000}})
    assert amount.take({"status": "Download complete", "id": "a"})
    assert str(amount) == "pulling: 10 of 10 MB"


class HelperCase:
    """The credential helper, asked as docker asks it."""

    def __init__(self, tmp_path: Path) -> None:
        self.file = tmp_path / "password"
        self.file.write_text('pa"ss\\word\n')
        source = Registry(FakeEngine(), "r.example:5000/mirror", Account("puller", self.file))
        self.environment = source.client_environment("/usr/bin:/bin")

    def ask(self, server: str, verb: str = "get") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["docker-credential-flowkit", verb],
            input=server,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )


def test_the_docker_client_gets_the_login_of_the_private_registry_alone(tmp_path):
    case = HelperCase(tmp_path)
    given = case.ask("r.example:5000\n")
    assert json.loads(given.stdout) == {"ServerURL": "r.example:5000", "Username": "puller", "Secret": 'pa"ss\\word'}
    other = case.ask("elsewhere.example")
    assert other.returncode == 1
    assert "puller" not in other.stdout + other.stderr
    assert other.stdout.strip() == "credentials not found in native keychain"


def test_the_helper_stores_nothing_and_says_when_the_file_is_gone(tmp_path):
    case = HelperCase(tmp_path)
    assert case.ask("{}", "store").returncode == 1
    case.file.unlink()
    gone = case.ask("r.example:5000")
    assert gone.returncode == 1
    assert "No such file" in gone.stderr
    assert "Traceback" not in gone.stderr


def test_the_clients_configuration_names_the_helper_and_nothing_else(tmp_path):
    environment = HelperCase(tmp_path).environment
    configuration = json.loads((Path(environment["DOCKER_CONFIG"]) / "config.json").read_text())
    assert configuration == {"credsStore": "flowkit"}
    assert 'pa"ss' not in str(environment)


def test_without_an_account_the_operators_own_client_settings_stay():
    assert Registry(FakeEngine(), "r.example").client_environment("/bin") == {}


def test_the_host_is_named_as_dockers_logins_name_it():
    assert registry.host("r.example:5000/mirror/x") == "r.example:5000"
    assert registry.host("localhost/x") == "localhost"


def test_a_registry_that_cannot_be_asked_is_an_image_error():
    class Silent(FakeEngine):
        @property
        def api(self):
            return self

        base_url, api_version = "http+docker://x", "1.41"

        def get(self, _url, *, headers, timeout):
            import requests.exceptions

            assert headers == {}
            raise requests.exceptions.ReadTimeout(f"{timeout}")

    with pytest.raises(ImageError, match="nothing came for 5 s"):
        Registry(Silent(), "r.example:5000").official(BY_NAME["redis"], "7")
