"""The shell's way of asking who is there, which no unit test may start."""

import pytest

from secrets_quickstart.checks import verification_reach as reach
from tests.test_verification_reach import tells_servers_from_gateways

pytestmark = pytest.mark.swarm


def test_the_shell_that_tries_tells_servers_from_gateways_that_take_every_connection():
    tells_servers_from_gateways(("bash", "-c", reach.BASH, "bash"))
