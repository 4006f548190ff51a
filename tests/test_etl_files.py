"""`etl.init` and `etl.sample`: what they write, what they refuse, what they leave alone."""

import json

import pytest
from invoke.context import Context
from invoke.exceptions import Exit

from secrets_quickstart.catalog.records import BY_NAME, EXAMPLES, TYPES
from secrets_quickstart.errors import HostError, UsageError
from secrets_quickstart.host.files import Outcome
from secrets_quickstart.material.sample_day import expected
from secrets_quickstart.operations.etl_files import samples, write_examples, write_sample
from secrets_quickstart.settings import load
from secrets_quickstart.tasks import etl
from secrets_quickstart.tasks.task import ROOT

SOURCE = ROOT / "pipelines"


def test_init_writes_every_example_and_a_second_time_nothing(tmp_path):
    folder = tmp_path / "new" / "dags"

    assert set(write_examples(SOURCE, folder).values()) == {Outcome.WRITTEN}
    assert {path.name for path in folder.iterdir()} == set(EXAMPLES)
    assert all((folder / name).read_bytes() == (SOURCE / name).read_bytes() for name in EXAMPLES)
    assert set(write_examples(SOURCE, folder).values()) == {Outcome.SAME}


def test_init_says_what_differs_and_keeps_it(tmp_path, capsys):
    etl.init(Context(), str(tmp_path))
    (tmp_path / "load_sms.py").write_text("mine")
    (tmp_path / "load_mds.py").unlink()
    capsys.readouterr()

    with pytest.raises(Exit) as ended:
        etl.init(Context(), str(tmp_path), json=True)

    said = capsys.readouterr()
    assert ended.value.code == 1
    assert "load_sms.py in" in said.err
    files = json.loads(said.out)["files"]
    assert (files["load_sms.py"], files["load_mds.py"], files["load_calls.py"]) == ("other", "written", "same")
    assert (tmp_path / "load_sms.py").read_text() == "mine"


def test_init_in_a_place_where_nothing_can_be_is_an_error(tmp_path):
    (tmp_path / "file").touch()

    with pytest.raises(HostError, match="cannot be made"):
        write_examples(SOURCE, tmp_path / "file" / "dags")


@pytest.fixture
def settings(tmp_path):
    return load(tmp_path, {})


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"day": ""}, "nothing is no date"),
        ({"day": "2016-02-30"}, "2016-02-30 is no date"),
        ({"types": ["fax"]}, "there is no type fax"),
        ({"rows": -1}, "-1 rows"),
        ({"subscribers": 399}, "399 subscribers"),
        ({"subscribers": 100_001}, "100001 subscribers"),
    ],
)
def test_what_cannot_be_made_up_is_refused(settings, arguments, said):
    with pytest.raises(UsageError, match=said):
        samples(settings, **{"day": "2016-01-11", "types": (), **arguments})


def test_numbers_that_are_not_given_are_those_of_flowdbs_sample_data(tmp_path):
    chosen = load(tmp_path, {"FLOWDB_SAMPLE_SUBSCRIBERS": "500", "FLOWDB_SAMPLE_SEED": "9"})

    found = samples(chosen, "2016-01-11", ())

    assert [(one.type.name, one.rows, one.subscribers, one.seed) for one in found] == [
        (kind.name, 500 * kind.each, 500, 9) for kind in TYPES
    ]


@pytest.mark.parametrize(
    ("rows", "subscribers"), [(10, 400), (50_000, 5000), (1_000_000, 100_000), (9_000_000, 100_000)]
)
def test_many_rows_are_of_many_subscribers_as_far_as_memory_goes(settings, rows, subscribers):
    (found,) = samples(settings, "2016-01-11", ["calls"], rows=rows)

    assert (found.rows, found.subscribers) == (rows, subscribers)


def test_a_sample_is_a_file_with_a_header_and_the_rows_that_were_reckoned_with(settings, tmp_path):
    (sample,) = samples(settings, "2016-01-11", ["mds"])

    written = write_sample(sample, tmp_path / "etl")

    header, *lines = (tmp_path / "etl" / "mds_20160111.csv").read_text().splitlines()
    assert header.split(",") == list(BY_NAME["mds"].columns)
    assert lines == [line for line, *_ in sample]
    assert written.expected == expected(sample)
    assert write_sample(sample, tmp_path / "etl").outcome is Outcome.SAME


def test_a_file_that_may_be_a_real_one_is_not_replaced(settings, tmp_path):
    (tmp_path / "mds_20160111.csv").write_text("real")
    (sample,) = samples(settings, "2016-01-11", ["mds"])

    with pytest.raises(HostError, match="another file is there"):
        write_sample(sample, tmp_path)
    assert (tmp_path / "mds_20160111.csv").read_text() == "real"


def test_the_command_says_what_is_to_be_expected_of_each_file(tmp_path, capsys):
    etl.sample(
        Context(), date="2016-01-11", type=["sms", "topups"], seed=1, rows=100, directory=str(tmp_path), json=True
    )

    sms, topups = json.loads(capsys.readouterr().out)
    assert (sms["type"], sms["rows"], sms["outcome"]) == ("sms", 100, "written")
    assert (tmp_path / "topups_20160111.csv").exists()
    assert set(topups) == {"type", "file", "outcome", "rows", "checksum", "subscribers_by_region"}
