"""Taking a stack down and purging it, on a fake engine: what goes, what stays, and where it may be cut off."""

import pytest

from secrets_quickstart.catalog.components import COMPONENTS
from secrets_quickstart.errors import EngineError
from secrets_quickstart.operations import remove
from secrets_quickstart.swarm.services import NAMESPACE
from tests.deployments import Killed, World


@pytest.fixture
def world(tmp_path, monkeypatch):
    made = World(tmp_path / "world", monkeypatch)
    made.deploy()
    return made


@pytest.fixture
def worlds(tmp_path, monkeypatch):
    count = iter(range(1000))

    def make():
        made = World(tmp_path / f"world{next(count)}", monkeypatch)
        made.deploy()
        return made

    return make


def down(world):
    return remove.down(world.settings(), "invoke down", lambda _: None)


def is_gone(world):
    """Whether the machine is as it was before."""
    return (
        world.engine.services == world.engine.secrets == {}
        and world.engine.networks == []
        and world.engine.state == "inactive"
        and world.hosts.read_bytes() == b"127.0.0.1\tlocalhost\n"
        and set(world.files()) == {str(world.hosts)}
        and not (world.folder / ".flowkit").exists()
        and list(world.home.iterdir()) in ([], [world.home / ".config"])
    )


def test_down_stops_the_services_and_keeps_everything_else(world):
    secrets, files = dict(world.engine.secrets), world.files()

    stopped = down(world)

    assert set(stopped) == {service.name for part in COMPONENTS for service in part.services}
    assert world.engine.services == {}
    assert world.engine.networks == []
    assert world.engine.secrets == secrets
    assert world.files() == files


def test_down_and_up_again_only_makes_the_services(world):
    down(world)
    before = len(world.engine.writes)

    world.deploy()

    assert world.engine.writes[before:] == ["stack deploy s"]


def test_down_when_nothing_runs_has_nothing_to_do(world):
    down(world)

    assert down(world) == ()


def test_down_without_a_swarm_says_so(world):
    world.engine.state = "inactive"

    with pytest.raises(EngineError, match="in no swarm"):
        down(world)


def test_purge_leaves_the_machine_as_it_was(world):
    world.purge()

    assert is_gone(world)
    assert list(world.data.iterdir()) == []


def test_purge_says_beforehand_what_it_deletes(world):
    lines = remove.belongings(world.settings(), world.engine).lines()

    assert "secret s_REDIS_PASSWORD_g1" in lines
    assert "service flowdb" in lines
    assert f"everything in {world.data}" in lines
    assert str(world.settings().vault_path) in lines
    assert "the swarm of this node, which was made for it" in lines


def test_after_a_purge_nothing_is_left_to_delete(world):
    world.purge()

    assert remove.belongings(world.settings(), world.engine).lines() == []


def test_what_belongs_to_others_is_left_to_them(world):
    world.engine.add_service("web", "nginx")
    world.engine.add_secret("web_password")
    world.engine.networks.append("web_default")
    world.engine.labels["zone"] = "a"

    world.purge()

    assert list(world.engine.services) == ["web_nginx"]
    assert list(world.engine.secrets) == ["web_password"]
    assert world.engine.networks == ["web_default"]
    assert world.engine.labels == {"zone": "a"}
    assert world.engine.state == "active", "a swarm that somebody else uses is not left"


def test_a_swarm_that_somebody_else_made_is_not_left(world):
    world.engine.swarm_labels.clear()

    world.purge()

    assert world.engine.state == "active"
    assert world.engine.labels == {}


def test_a_directory_that_the_vault_does_not_know_is_not_emptied(world):
    vault = world.vault()
    for identity in vault.claims:
        vault.release(identity)

    world.purge()

    assert (world.data / "PG_VERSION").exists()


def test_another_stack_of_ours_keeps_its_secrets_and_the_label_of_the_node(world):
    world.engine.add_secret("t_REDIS_PASSWORD_g1", {"org.flowkit.stack": "t"})

    world.purge()

    assert list(world.engine.secrets) == ["t_REDIS_PASSWORD_g1"]
    assert world.engine.labels == {"flowkit.data": "true"}


def test_volumes_of_the_stack_go_with_it(world, tmp_path):
    world.engine.volumes = {"s_redis_data": tmp_path, "web_data": tmp_path}

    world.purge()

    assert list(world.engine.volumes) == ["web_data"]


def test_a_purge_leaves_the_dags_that_another_stack_of_this_folder_may_run(world):
    other = world.folder / ".flowkit" / "t"
    other.mkdir()
    for name in ("vault", "verified.json"):
        (other / name).touch()
        assert not remove.belongings(world.settings(), world.engine).examples
        (other / name).unlink()

    assert remove.belongings(world.settings(), world.engine).examples


def test_a_purge_leaves_the_dags_that_a_service_of_another_stack_has_mounted(world):
    dags = world.folder / ".flowkit" / "dags"
    world.engine.add_service("t", "flowetl_scheduler")
    container = world.engine.services["t_flowetl_scheduler"]["Spec"]["TaskTemplate"]["ContainerSpec"]
    container["Mounts"] = [{"Source": str(dags), "Target": "/opt/airflow/dags"}]
    assert not remove.belongings(world.settings(), world.engine).examples

    container["Mounts"] = [{"Source": "/elsewhere", "Target": "/opt/airflow/dags"}]
    assert remove.belongings(world.settings(), world.engine).examples


def test_a_purge_leaves_the_dags_that_somebody_changed_and_takes_the_others_beside_a_stack_from_elsewhere(world):
    dags = world.folder / ".flowkit" / "dags"
    (dags / "load_calls.py").write_text("mine")
    world.engine.add_secret("t_REDIS_PASSWORD_g1", {"org.flowkit.stack": "t"})

    found = world.purge()

    assert f"{dags / 'load_sms.py'}" in found.lines()
    assert [path.name for path in dags.iterdir()] == ["load_calls.py"]


def test_cut_off_before_any_deletion_a_second_purge_does_the_rest(worlds):
    whole = worlds()
    whole.fuse.set(0)
    whole.purge()
    deletions = whole.fuse.burnt

    for number in range(1, deletions + 1):
        world = worlds()
        world.fuse.set(number)
        with pytest.raises(Killed):
            world.purge()
        if world.engine.secrets:
            assert world.held(), "as long as the swarm has secrets, the vault has their values"
        world.fuse.set(0)

        world.purge()

        assert is_gone(world), number
    assert deletions > 18


def test_after_half_a_purge_a_deployment_is_whole_again(worlds):
    """Until the data is being deleted, that is: from then on it has to be said that it is gone."""
    for number in (2, 4, 8, 12):
        world = worlds()
        world.fuse.set(number)
        with pytest.raises(Killed):
            world.purge()
        world.fuse.set(0)

        assert world.deploy().verified


def test_a_service_that_is_removed_meanwhile_is_no_error(world):
    world.engine.services["s_redis"]["Spec"]["Labels"][NAMESPACE] = "s"
    world.engine.vanishing.add("s_redis")

    assert "redis" in down(world)
    assert world.engine.services == {}
