"""Where a test starts FlowDBs of its own, and one with made-up records for each module."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.swarm.flowdb.databases import SAMPLE, Bench, FlowDB, a_bench


@pytest.fixture
def bench() -> Iterator[Bench]:
    with a_bench() as bench:
        yield bench


@pytest.fixture(scope="module")
def sample() -> Iterator[FlowDB]:
    """A database with sample data, for tests that leave it as it was."""
    with a_bench() as bench:
        yield bench.start(environment=SAMPLE).wait()
