"""Starting processes: what they say, how they end, and what Ctrl-C does to them."""

import signal
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor, wait

import pytest

from secrets_quickstart.errors import ProcessError
from secrets_quickstart.host import processes

LONG = "import time; print('started', flush=True); time.sleep(60)"
DEAF = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {LONG}"


def program(text):
    return [sys.executable, "-c", text]


def nothing(_line):
    pass


def test_lines_are_told_as_they_come_and_the_last_ones_kept():
    lines: list[str] = []

    done = processes.run(program("import sys\nfor n in range(50): print(n, file=sys.stderr)"), on_line=lines.append)

    assert lines == [str(number) for number in range(50)]
    assert done.stderr.splitlines() == lines[-processes.KEPT_LINES :]


@pytest.mark.parametrize("on_line", [None, nothing])
def test_a_program_that_ends_before_it_read_its_input_is_judged_by_its_status(on_line):
    large = b"x" * (1 << 20)

    with pytest.raises(ProcessError, match="status 3") as caught:
        processes.run(program("print('why'); exit(3)"), stdin=large, on_line=on_line)

    assert caught.value.log == ("why",)


@pytest.mark.parametrize("on_line", [None, nothing])
def test_a_program_that_takes_too_long_is_killed(on_line):
    start = time.monotonic()

    with pytest.raises(ProcessError, match=r"within 0\.2 s"):
        processes.run(program(DEAF), on_line=on_line, timeout=0.2)

    assert time.monotonic() - start < 10


class Background:
    """A program in another thread, and another one when it has ended, however."""

    def __init__(self, text):
        self._text = text
        self._started = threading.Event()
        self.ended_at: int | None = None
        """After how many times; None if it never did."""
        self.error: BaseException | None = None

    def interrupt(self, times):
        """Send Ctrl-C to the main thread; each raises KeyboardInterrupt, the last one out of here."""
        with ThreadPoolExecutor(1) as pool, processes.ending_on_ctrl_c():
            running = pool.submit(self._run)
            assert self._started.wait(10)
            for number in range(1, times + 1):
                try:
                    signal.raise_signal(signal.SIGINT)
                except KeyboardInterrupt:
                    wait([running], 10 if number == times else 0.2)
                    if running.done() and self.ended_at is None:
                        self.ended_at = number
                    if number == times:
                        self.error = running.exception(0)
                        raise

    def _run(self):
        try:
            processes.run(program(self._text), on_line=lambda _: self._started.set())
        finally:
            processes.run(program(""))


def test_ctrl_c_ends_what_other_threads_run_and_lets_nothing_begin():
    background = Background(LONG)

    with pytest.raises(KeyboardInterrupt):
        background.interrupt(1)

    assert background.ended_at == 1
    assert isinstance(background.error, processes.Interrupted)
    assert isinstance(background.error.__context__, processes.Interrupted)


def test_a_second_ctrl_c_kills_what_does_not_listen_to_the_first():
    background = Background(DEAF)

    with pytest.raises(KeyboardInterrupt):
        background.interrupt(2)

    assert background.ended_at == 2
    assert isinstance(background.error, processes.Interrupted)


def test_afterwards_everything_is_as_it_was():
    before = signal.getsignal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt), processes.ending_on_ctrl_c():
        signal.raise_signal(signal.SIGINT)

    assert signal.getsignal(signal.SIGINT) is before
    assert not processes.interrupted()
    assert processes.run(program("print('on')")).stdout == "on\n"


def test_a_program_that_is_piped_takes_and_gives_streams():
    code = "import sys; sys.stdout.write(sys.stdin.read().upper())"
    with processes.piped(program(code), env={}) as streams:
        streams.stdin.write(b"abc")
        streams.stdin.close()
        assert streams.stdout.read() == b"ABC"


def pipe(code, use):
    with processes.piped(program(code), env={}) as streams:
        use(streams)


def endlessly(streams):
    while True:
        streams.stdin.write(b"x" * 65536)


def test_a_piped_program_that_fails_is_an_error_with_its_last_words():
    code = "import sys; print('the last word', file=sys.stderr); sys.exit(3)"

    with pytest.raises(ProcessError, match="failed with status 3: the last word"):
        pipe(code, lambda streams: streams.stdout.read())


def test_a_piped_program_that_reads_no_more_has_failed_whatever_it_says():
    with pytest.raises(ProcessError, match="it read no more"):
        pipe("pass", endlessly)


def test_a_piped_program_is_killed_when_its_reader_fails():
    with pytest.raises(ZeroDivisionError):
        pipe(LONG, lambda _: 1 / 0)


def test_a_program_that_is_missing_cannot_be_piped():
    with pytest.raises(ProcessError, match="no such program"), processes.piped(["no-such-program"], env={}):
        pass
