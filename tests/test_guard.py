"""What unit tests are kept from, by the fixture that is around every one of them."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest


def test_a_unit_test_sees_nothing_of_this_account(tmp_path):
    assert set(os.environ) <= {"PYTEST_CURRENT_TEST"}
    assert Path.cwd() == tmp_path


def test_a_unit_test_starts_no_programs_of_this_machine():
    with pytest.raises(FileNotFoundError):
        subprocess.run(["/bin/true"], check=False)
    with pytest.raises(FileNotFoundError):
        subprocess.run(["docker", "version"], check=False)


def test_a_unit_test_may_start_python_and_what_it_wrote_itself(tmp_path):
    script = tmp_path / "script"
    script.write_text(f"#!{sys.executable}\n")
    script.chmod(0o700)

    for program in (sys.executable, str(script)):
        assert subprocess.run([program, "-V"], check=False, capture_output=True).returncode == 0


@pytest.mark.parametrize("address", [("192.0.2.1", 80), ("example.org", 80)])
def test_a_unit_test_speaks_to_no_other_machine(address):
    with socket.socket() as outside, pytest.raises(AssertionError, match="no other machine"):
        outside.connect(address)


def test_a_unit_test_asks_no_name_server():
    with pytest.raises(AssertionError, match="no name server"):
        socket.create_connection(("example.org", 80), 1)
