"""What PostgreSQL keeps of a password."""

import pytest

from secrets_quickstart.material import scram
from secrets_quickstart.sensitive import Sensitive

# the example of RFC 7677, as PostgreSQL keeps it
KEPT = (
    "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY="
    ":wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="
)


def test_a_verifier_that_postgresql_wrote_is_recognised():
    assert scram.is_of(KEPT, Sensitive("pencil"))
    assert not scram.is_of(KEPT, Sensitive("Pencil"))


def test_one_that_we_write_is_of_its_password_alone_and_does_not_tell_it():
    made = scram.verifier(Sensitive("correct horse"))

    assert scram.is_of(made, Sensitive("correct horse"))
    assert not scram.is_of(made, Sensitive("correct horsf"))
    assert "correct" not in made
    assert set(made) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789$:+/=-"), "quoted in SQL"


def test_two_of_one_password_differ():
    assert scram.verifier(Sensitive("p")) != scram.verifier(Sensitive("p"))


@pytest.mark.parametrize(
    "kept", ["", "md55e8ff9bf55ba3508199d22e984129be6", "SCRAM-SHA-256$4096:!$a:b", "SCRAM-SHA-256"]
)
def test_what_is_no_verifier_is_of_no_password(kept):
    assert not scram.is_of(kept, Sensitive("pencil"))
