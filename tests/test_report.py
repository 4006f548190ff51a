"""What people and machines see: plain lines elsewhere, a live board on a terminal, results apart from both."""

import contextlib
import io
import json
import os
import pty
import sys

import pytest

from secrets_quickstart import report
from secrets_quickstart.errors import HostError

MARK = "<end>"


@pytest.fixture
def terminal(monkeypatch):
    """Makes standard error a terminal; gives what was shown on it since it was asked before.

    A test calls it first: pytest captures anew between a fixture and its test.
    """
    ours, theirs = pty.openpty()
    os.set_blocking(ours, False)
    monkeypatch.setenv("TERM", "xterm")
    with os.fdopen(theirs, "w") as stream:

        def shown():
            monkeypatch.setattr(sys, "stderr", stream)
            stream.write(MARK)
            stream.flush()
            seen = ""
            while not seen.endswith(MARK):  # the kernel hands a terminal's text over in its own time
                with contextlib.suppress(BlockingIOError):
                    seen += os.read(ours, 1 << 16).decode()
            return seen.removesuffix(MARK)

        yield shown
    os.close(ours)


def test_elsewhere_than_on_a_terminal_each_change_is_a_line(capsys):
    with report.progress("starting") as board:
        board.update({"flowdb": "pending", "redis": "pending"})
        board.update({"flowdb": "pending", "redis": "running 1/1"})

    said = capsys.readouterr()
    assert said.err == "  flowdb: pending\n  redis: pending\n  redis: running 1/1\n"
    assert said.out == ""


def test_on_a_terminal_the_board_is_drawn_over_and_its_last_states_stay(terminal):
    terminal()
    with report.progress("starting") as board:
        board.update({"flowdb": "pending", "redis": "pending"})
        report.say("a line meanwhile [red]as it is[/red]")
        board.update({"flowdb": "running 1/1", "redis": "running 1/1"})

    shown = terminal()
    assert shown.count("a line meanwhile [red]as it is[/red]") == 1
    assert shown.endswith("  flowdb  running 1/1\r\n  redis   running 1/1\r\n")
    assert "\x1b[2K" in shown, "nothing was drawn over"
    assert "  flowdb: pending" not in shown, "lines are for elsewhere"


def test_after_a_failure_on_a_terminal_lines_are_plain_again(terminal):
    terminal()
    with pytest.raises(HostError), report.progress("starting"):
        raise HostError("it broke")
    terminal()

    report.say("afterwards")

    assert terminal() == "afterwards\r\n"


def test_a_board_within_a_board_leaves_the_terminal_to_the_first(terminal):
    terminal()
    with report.progress("outer") as outer, report.progress("inner") as inner:
        outer.update({"one": "a"})
        inner.update({"two": "b"})

    assert terminal().endswith("  one  a\r\n")


def test_results_are_on_standard_output_alone(capsys):
    report.table(("NAME", "STATE"), [("flowdb", "up"), ("a longer name", "")])
    report.document({"größe": 1})

    said = capsys.readouterr()
    assert said.err == ""
    table, document = said.out.split("{", 1)
    assert table == "NAME           STATE\nflowdb         up\na longer name\n"
    assert json.loads("{" + document) == {"größe": 1}


def test_a_value_is_these_bytes_and_nothing_else(capfdbinary):
    report.value(b"no\xff text")

    assert capfdbinary.readouterr().out == b"no\xff text"


def test_an_error_says_what_why_and_what_to_do_after_the_last_words(capsys):
    report.error(HostError("it broke", why="a reason", fix="a fix", log=("last", "words")))

    assert capsys.readouterr().err == "  | last\n  | words\nerror: it broke: a reason\nfix: a fix\n"


def test_a_terminal_that_knows_only_ascii_gets_question_marks_rather_than_a_traceback(monkeypatch):
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stderr", io.TextIOWrapper(raw, encoding="ascii"))

    report.say("größer – ja")

    assert raw.getvalue() == b"gr??er ? ja\n"


def test_nobody_is_asked_where_nobody_types(monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdin", io.StringIO("flowkit\n"))

    assert report.ask("Type the stack's name: ") == ""
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(("number", "said"), [(0, "0 changes"), (1, "1 change"), (2, "2 changes")])
def test_things_are_counted_as_people_do(number, said):
    assert report.counted(number, "change") == said
