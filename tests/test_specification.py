"""What is read out of a FlowAPI's specification, and where it is got from."""

import contextlib
import json

import pytest
import trustme
import yaml
from hypothesis import given
from hypothesis import strategies as st

from secrets_quickstart.clients import specification
from secrets_quickstart.clients.answers import Refused
from secrets_quickstart.clients.specification import PATH, Specification
from secrets_quickstart.errors import QuickstartError, ServiceError, UsageError
from tests import verification_fakes as fakes

NAME = "localhost"
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


def document(name="toy_api", scopes=("run", "get_result", "run")):
    scheme = {"type": "http", "x-audience": name, "x-security-scopes": list(scopes)}
    return {"openapi": "3.0.1", "components": {"securitySchemes": {"token": scheme}}}


EXPECTED = Specification("toy_api", ("get_result", "run"))


def test_name_and_scopes_are_read_from_json_and_yaml(tmp_path):
    for name, text in (("api.json", json.dumps(document())), ("api.yaml", yaml.safe_dump(document()))):
        path = tmp_path / name
        path.write_text(text)
        assert specification.from_file(path) == EXPECTED


@given(JSON)
def test_no_document_is_a_traceback(content):
    for broken in (content, {"components": content}, document(scopes=[content]), document(name=content)):
        with contextlib.suppress(ServiceError):
            specification.read(broken, "it")


@given(st.binary())
def test_no_file_is_a_traceback(content):
    with pytest.raises(ServiceError):
        specification.parse(content, "it")


@pytest.mark.parametrize(
    "broken",
    [
        document(name=""),
        document(name="x" * 76),
        document(name="a\nb"),
        document(scopes=()),
        document(scopes=["x" * 513]),
        document(scopes=["run\n"]),
        document(scopes=[str(number) for number in range(20_001)]),
        {"components": {"securitySchemes": {"token": {"type": "http"}}}},
    ],
)
def test_what_flowauth_could_not_keep_is_refused(broken):
    with pytest.raises(ServiceError, match="no specification of a FlowAPI"):
        specification.read(broken, "it")


def test_deep_nesting_and_great_length_are_refused():
    with pytest.raises(ServiceError, match="it is ne"):
        specification.parse(b"[" * 100_000, "it")
    with pytest.raises(ServiceError, match="too large"):
        specification.parse(b" " * (specification.LARGEST + 1), "it")


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(UsageError, match="nothing"):
        specification.from_file(tmp_path / "nothing")
    with pytest.raises(UsageError):
        specification.from_file(tmp_path)


@pytest.mark.parametrize(
    "url",
    [
        "http://flowkit.api:9090",
        "ftp://flowkit.api",
        "https://",
        "https://[",
        "https://flowkit.api:99999",
        "https://a:b@flowkit.api",
    ],
)
def test_what_is_no_https_address_is_refused_before_anything_is_sent(url):
    with pytest.raises(UsageError) as refused:
        specification.fetch(url, None)
    assert "a:b" not in str(refused.value)


def test_an_address_is_completed_only_where_it_ends_with_the_host():
    assert specification.address("https://flowkit.api:9090", None)[1] == PATH
    assert specification.address("https://flowkit.api:9090/", None)[1] == PATH
    place, path = specification.address("https://flowkit.api/x/openapi.yaml?y=1", "pem")
    assert (place.host, place.port, place.name, place.trust) == ("flowkit.api", 443, "flowkit.api", "pem")
    assert path == "/x/openapi.yaml?y=1"


def served(answer, attempt):
    context, pem = fakes.tls(trustme.CA(), NAME)
    with fakes.http_server(answer, context) as port:
        return attempt(f"https://{NAME}:{port}", pem)


def test_a_flowapi_is_asked_where_it_has_its_specification():
    seen = []

    def answer(method, path, token, _document):
        seen.append((method, path, token))
        return 200, document(), {}

    assert served(answer, specification.fetch) == EXPECTED
    assert seen == [("GET", PATH, "")]


def test_a_specification_in_yaml_is_fetched_too():
    def answer(*_):
        return 200, yaml.safe_dump(document()), {}

    assert served(answer, lambda url, pem: specification.fetch(f"{url}/openapi.yaml", pem)) == EXPECTED


def test_a_flowapi_with_a_strangers_certificate_is_not_believed():
    _, strange = fakes.tls(trustme.CA(), NAME)
    with pytest.raises(Refused, match="FlowAPI's certificate is not trusted"):
        served(lambda *_: (200, document(), {}), lambda url, _: specification.fetch(url, strange))


@pytest.mark.parametrize("answer", [(404, {}), (302, ""), (200, "<html></html>"), (503, "")])
def test_another_answer_is_an_error_with_a_way_on(answer):
    with pytest.raises(ServiceError) as error:
        served(lambda *_: (*answer, {"Location": "https://elsewhere.example"}), specification.fetch)
    assert isinstance(error.value, QuickstartError)
    assert error.value.fix


def test_nobody_there_is_an_error_with_a_way_on():
    with pytest.raises(ServiceError, match="FlowAPI does not answer"):
        specification.fetch(f"https://127.0.0.1:{fakes.free_port()}", None)
