"""FlowAPI's logs: one JSON object a line, each to its stream."""

import io
import json
import logging

import pytest

from flowapi import logs

LIBRARIES = ("asyncio", "uvicorn.error", "asyncpg")


@pytest.fixture
def streams():
    """Logging set up on two texts, and put back as it was."""
    touched = [logging.root, logs.access, logs.query, *map(logging.getLogger, LIBRARIES)]
    before = [(logger, logger.handlers, logger.level, logger.propagate) for logger in touched]
    out, err = io.StringIO(), io.StringIO()
    logs.configure("warning", out, err)
    token = logs.about_request.set({"request_id": "r1", "user": "ada"})
    yield out, err
    logs.about_request.reset(token)
    for logger, handlers, level, propagate in before:
        logger.handlers, logger.propagate = handlers, propagate
        logger.setLevel(level)


def lines(stream):
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_access_and_query_lines_go_to_stdout_whatever_the_level(streams):
    out, err = streams
    logs.say(logs.access, "UNAUTHORISED", reason="none")
    logs.say(logs.query, "run_query", query_id="x")
    first, second = lines(out)
    assert first["event"] == "UNAUTHORISED"
    assert first["logger"] == "flowapi.access"
    assert first["reason"] == "none"
    assert second["query_id"] == "x"
    assert {line["request_id"] for line in (first, second)} == {"r1"}
    assert {line["user"] for line in (first, second)} == {"ada"}
    assert not lines(err)


def test_all_else_goes_to_stderr_from_the_level_on(streams):
    out, err = streams
    logs.debug.info("quiet")
    logs.debug.error("loud %s", "and clear")
    logging.getLogger("another.library").warning("too")
    assert [line["event"] for line in lines(err)] == ["loud and clear", "too"]
    assert not lines(out)


def test_a_line_break_in_what_a_client_sent_makes_no_second_line(streams):
    out, _ = streams
    logs.say(logs.query, "get_qa_checks", check='x\n{"event": "forged"}')
    assert [line["event"] for line in lines(out)] == ["get_qa_checks"]


def test_an_exception_stays_on_its_line(streams):
    _, err = streams
    try:
        raise ValueError("why")  # noqa: TRY301
    except ValueError:
        logs.debug.exception("failed")
    (line,) = lines(err)
    assert "ValueError: why" in line["exception"]
