"""What FlowAuth remembers for minutes: used codes and failed attempts."""

import multiprocessing
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.flowauth_package import module

memory, throttle, refusals = module("memory"), module("throttle"), module("refusals")


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture(params=["file", "memory"])
def kept(request, tmp_path):
    clock = Clock()
    made = memory.FileMemory(":memory:" if request.param == "memory" else str(tmp_path / "cache"), clock)
    made.clock = clock
    return made


def test_only_the_first_is_the_first_until_it_lapses(kept):
    assert [kept.first("a", 60) for _ in range(3)] == [True, False, False]
    assert kept.first("b", 60)
    kept.clock.now += 60
    assert kept.first("a", 60)


def test_of_many_threads_one_is_the_first(kept):
    gate = threading.Barrier(8)

    def attempt(_):
        gate.wait()
        return kept.first("code", 60)

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(attempt, range(8))) == 1


def attempt_elsewhere(path, gate, results):
    kept = memory.FileMemory(path)
    gate.wait()
    try:
        results.put(kept.first("code", 60))
    except memory.MemoryLost as problem:
        results.put(str(problem))


def test_of_many_processes_one_is_the_first(tmp_path):
    context = multiprocessing.get_context("spawn")
    gate, results = context.Barrier(4), context.Queue()
    processes = [
        context.Process(target=attempt_elsewhere, args=(str(tmp_path / "cache"), gate, results)) for _ in range(4)
    ]
    for process in processes:
        process.start()
    found = [results.get(timeout=30) for _ in processes]
    for process in processes:
        process.join()
    assert sorted(found) == [False, False, False, True]


def test_a_count_lapses_after_its_first(kept):
    for _ in range(3):
        kept.add("a", 60)
    assert kept.count("a") == 3
    kept.clock.now += 59
    kept.add("a", 60)
    assert kept.count("a") == 4
    kept.clock.now += 1
    assert kept.count("a") == 0
    kept.add("a", 60)
    kept.forget("a")
    assert kept.count("a") == 0


def test_a_file_that_is_something_else_is_an_error_and_stays_as_it_is(tmp_path):
    path = tmp_path / "cache"
    path.write_bytes(b"somebody's file, and not ours at all " * 40)
    before = path.read_bytes()
    with pytest.raises(memory.MemoryLost):
        memory.FileMemory(str(path)).check()
    assert path.read_bytes() == before


@pytest.fixture
def gate(kept):
    made = throttle.Throttle(kept)
    made.clock = kept.clock
    return made


def is_open(gate, name, address):
    try:
        gate.check(name, address)
    except refusals.Refused:
        return False
    return True


def test_a_refusal_says_how_long_to_wait(gate):
    for _ in range(throttle.BY_NAME_AND_ADDRESS.most):
        gate.failed("ada", "192.0.2.1")
    with pytest.raises(refusals.Refused) as refused:
        gate.check("ada", "192.0.2.1")
    assert refused.value.status == 429
    assert refused.value.headers == {"Retry-After": "300"}


def test_failures_close_a_name_for_that_address_alone(gate):
    for _ in range(throttle.BY_NAME_AND_ADDRESS.most):
        assert is_open(gate, "ada", "192.0.2.1")
        gate.failed("ada", "192.0.2.1")
    assert not is_open(gate, "ada", "192.0.2.1")
    assert is_open(gate, "ada", "192.0.2.2")
    assert is_open(gate, "bob", "192.0.2.1")
    gate.clock.now += throttle.BY_NAME_AND_ADDRESS.seconds
    assert is_open(gate, "ada", "192.0.2.1")


def test_a_success_forgets_the_failures(gate):
    for _ in range(throttle.BY_NAME_AND_ADDRESS.most):
        gate.failed("ada", "192.0.2.1")
    gate.succeeded("ada", "192.0.2.1")
    assert is_open(gate, "ada", "192.0.2.1")


def test_one_address_cannot_try_many_names(gate):
    for number in range(throttle.BY_ADDRESS.most):
        gate.failed(f"name {number}", "192.0.2.1")
    assert not is_open(gate, "ada", "192.0.2.1")
    assert is_open(gate, "ada", "192.0.2.2")


def test_many_addresses_close_a_name_for_a_minute_but_not_where_its_owner_is_known(gate):
    gate.succeeded("ada", "198.51.100.7")
    for number in range(throttle.BY_NAME.most):
        gate.failed("ada", f"192.0.2.{number}")
    assert not is_open(gate, "ada", "203.0.113.9")
    assert is_open(gate, "ada", "198.51.100.7")
    gate.clock.now += 60
    assert is_open(gate, "ada", "203.0.113.9")


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2001:db8::1", "2001:db8::ffff:1", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
    ],
)
def test_a_providers_customer_is_one_address(one, other, same):
    assert (throttle.network_of(one) == throttle.network_of(other)) is same


def test_codes_can_be_tried_twenty_times_an_hour(gate):
    for _ in range(throttle.CODES.most):
        gate.check_code(1)
        gate.failed_code(1)
    with pytest.raises(refusals.Refused):
        gate.check_code(1)
    gate.check_code(2)
