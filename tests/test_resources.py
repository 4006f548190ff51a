"""What the machine has, and how much of it FlowDB gets."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from secrets_quickstart.catalog.components import SERVICES
from secrets_quickstart.catalog.memory import NEEDS
from secrets_quickstart.catalog.variables.quantities import GB, MB
from secrets_quickstart.host import resources
from secrets_quickstart.host.resources import FlowdbSizing, beside_flowdb, plan_flowdb
from secrets_quickstart.settings import load

patient = hypothesis_settings(deadline=None)  # a busy machine is no failure

MEASURED = [
    # MB of shared memory that PostgreSQL 15 says it needs (postgres -C shared_memory_size) with 200 connections,
    # 10 WAL senders, and: shared buffers, locks, worker processes
    (128 * MB, 64, 8, 148),
    (128 * MB, 512, 8, 185),
    (128 * MB, 2048, 8, 312),
    (128 * MB, 8192, 8, 821),
    (128 * MB, 36500, 8, 3143),
    (GB, 64, 8, 1079),
    (4 * GB, 64, 8, 4218),
    (16 * GB, 64, 8, 16776),
    (64 * GB, 64, 8, 67009),
]
MACHINES = st.integers(min_value=GB, max_value=4096 * GB)
CPUS = st.integers(min_value=1, max_value=512)


def sizing_of(memory: float, cpus: int = 4, **given: int) -> FlowdbSizing:
    return plan_flowdb(int(memory * GB), cpus, given)


@pytest.mark.parametrize(("buffers", "locks", "workers", "megabytes"), MEASURED)
def test_the_reckoned_shared_memory_is_what_postgresql_takes_and_little_more(buffers, locks, workers, megabytes):
    sizing = sizing_of(256, SHARED_BUFFERS_SIZE=buffers, MAX_LOCKS_PER_TRANSACTION=locks, MAX_CPUS=workers)
    assert megabytes * MB <= sizing.shared_memory <= megabytes * MB * 1.12


def test_the_documentations_formula_says_less_than_half_of_what_locks_take():
    sizing = sizing_of(64, MAX_LOCKS_PER_TRANSACTION=36500, MAX_CPUS=8)
    measured = (3143 - 148) * MB
    assert sizing.documented_lock_memory == 36500 * 200 * 168
    assert sizing.documented_lock_memory < measured / 2
    assert measured <= sizing.lock_memory <= measured * 1.08


def test_a_small_server_gets_a_plan_that_starts():
    sizing = sizing_of(3.8, cpus=2)
    assert sizing.environment() == {
        "SHARED_BUFFERS_SIZE": "1GB",
        "EFFECTIVE_CACHE_SIZE": "3GB",
        "MAX_CPUS": "1",
        "MAX_WORKERS": "1",
        "MAX_WORKERS_PER_GATHER": "1",
        "MAX_LOCKS_PER_TRANSACTION": "2048",
        "FLOWDB_SHM_SIZE": str(1280 * MB),
        "FLOWDB_MEMORY_LIMIT": "3GB",
    }
    assert sizing.obstacle() == ""


def test_a_large_server_is_used():
    sizing = sizing_of(251.6, cpus=64)
    assert sizing.shared_buffers == 16 * GB
    assert sizing.effective_cache_size == 192 * GB
    assert sizing.memory_limit == 240 * GB
    assert (sizing.max_cpus, sizing.max_workers, sizing.max_workers_per_gather) == (63, 32, 32)
    assert sizing.max_locks_per_transaction == 36500


def test_buffers_are_a_quarter_until_64_billion_bytes_and_16_gb_from_there():
    assert sizing_of(7.7).shared_buffers == 2 * GB
    assert plan_flowdb(63 * 10**9, 8, {}).shared_buffers <= 16 * GB
    assert plan_flowdb(64 * 10**9, 8, {}).shared_buffers == 16 * GB
    assert sizing_of(1000).shared_buffers == 16 * GB


@patient
@given(MACHINES, CPUS)
def test_every_plan_of_ours_can_start_and_leaves_something_to_the_others(memory, cpus):
    sizing = plan_flowdb(memory, cpus, {})
    assert sizing.obstacle() == ""
    assert sizing.shared_memory <= sizing.memory_limit * 9 // 10
    assert sizing.memory - sizing.memory_limit >= min(GB, sizing.memory // 2)
    assert sizing.shm_size > sizing.shared_buffers + sizing.lock_memory - 1
    assert sizing.effective_cache_size <= sizing.memory_limit
    assert 1 <= sizing.max_workers_per_gather <= sizing.max_workers <= sizing.max_cpus


@patient
@given(MACHINES, MACHINES, CPUS)
def test_more_memory_never_means_less(one, other, cpus):
    small, large = (plan_flowdb(memory, cpus, {}).values for memory in sorted((one, other)))
    assert all(small[name] <= large[name] for name in small)


@pytest.mark.parametrize("gigabytes", [2, 4, 8, 12, 16, 24, 32, 48, 64, 96, 128, 256, 512])
def test_the_plan_is_the_same_whatever_the_kernel_keeps_for_itself(gigabytes):
    pages = gigabytes * GB // 64  # 64 bytes for each page of 4096
    kept = (50, 80, 120, 200)
    plans = {plan_flowdb(gigabytes * GB - pages - megabytes * MB, 8, {}) for megabytes in kept}
    assert len(plans) == 1


@patient
@given(MACHINES, CPUS, st.sets(st.sampled_from(sorted(sizing_of(4).values))))
def test_what_the_operator_set_is_kept(memory, cpus, names):
    given_values = {name: value for name, value in sizing_of(16, 8).values.items() if name in names}
    sizing = plan_flowdb(memory, cpus, given_values)
    assert given_values.items() <= sizing.values.items()
    assert {row.name for row in sizing.rows() if row.given} == names
    assert all((row.reason == "set by you") == row.given for row in sizing.rows())


def test_flowkits_documented_defaults_are_explained_on_a_small_server():
    sizing = sizing_of(3.8, 2, SHARED_BUFFERS_SIZE=16 * GB, MAX_LOCKS_PER_TRANSACTION=36500)
    assert sizing.obstacle() == (
        "PostgreSQL would reserve 19886MB (SHARED_BUFFERS_SIZE 16GB; 3068MB for MAX_LOCKS_PER_TRANSACTION 36500 "
        "with 215 connections), but FlowDB may take only 3072MB"
    )


def test_buffers_that_fit_the_machine_but_not_flowdbs_part_are_explained():
    assert sizing_of(15.6, SHARED_BUFFERS_SIZE=11 * GB, MAX_LOCKS_PER_TRANSACTION=64).obstacle() == ""
    assert "may take only 12288MB" in sizing_of(15.6, SHARED_BUFFERS_SIZE=12 * GB).obstacle()


def test_a_limit_above_the_machine_is_explained():
    assert "only 4096MB of memory" in sizing_of(3.8, 2, FLOWDB_MEMORY_LIMIT=8 * GB).obstacle()


@patient
@given(MACHINES, CPUS, st.integers(min_value=0, max_value=64 * GB))
def test_flowdb_gives_way_to_the_others_down_to_half_of_the_memory_and_still_starts(memory, cpus, beside):
    alone, sizing = plan_flowdb(memory, cpus, {}), plan_flowdb(memory, cpus, {}, beside)
    assert sizing.obstacle() == ""
    assert sizing.shared_memory <= sizing.memory_limit * 9 // 10
    assert sizing.room == max(alone.room, min(beside, sizing.memory // 2))
    assert sizing.shared_buffers == alone.shared_buffers


@patient
@given(MACHINES, MACHINES, CPUS, st.integers(min_value=0, max_value=64 * GB))
def test_more_memory_never_means_less_beside_others(one, other, cpus, beside):
    small, large = (plan_flowdb(memory, cpus, {}, beside).values for memory in sorted((one, other)))
    assert all(small[name] <= large[name] for name in small)


def test_on_4_gb_flowdb_has_3_gb_without_airflow_and_2_with_it(tmp_path):
    chosen = load(tmp_path, {})
    with_airflow = beside_flowdb(chosen, SERVICES)
    without = {name: size for name, size in with_airflow.items() if not name.startswith("flowetl_")}
    assert plan_flowdb(4 * GB, 2, {}, sum(without.values())).memory_limit == 3 * GB
    assert plan_flowdb(4 * GB, 2, {}, sum(with_airflow.values())).memory_limit == 2 * GB
    assert sum(with_airflow.values()) > 2 * GB


def test_a_plan_that_others_have_changed_says_so():
    reason = {row.name: row.reason for row in plan_flowdb(8 * GB, 2, {}, 3 * GB).rows()}["FLOWDB_MEMORY_LIMIT"]
    assert "3072MB when idle" in reason
    unchanged = {row.name: row.reason for row in plan_flowdb(8 * GB, 2, {}, GB).rows()}["FLOWDB_MEMORY_LIMIT"]
    assert "but for a quarter" in unchanged


def test_there_is_a_row_for_every_service_but_flowdb_and_those_that_end():
    assert {need.service for need in NEEDS} == {
        name for name, service in SERVICES.items() if name != "flowdb" and not service.runs_once
    }


def test_every_task_of_a_service_is_counted(tmp_path):
    chosen = load(tmp_path, {"FLOWETL_WORKER_COUNT": "3", "FLOWAUTH_REPLICAS": "2"})
    assert beside_flowdb(chosen, ("flowdb", "flowetl_worker", "flowauth", "flowetl_init")) == {
        "flowauth": 2 * 140 * MB,
        "flowetl_worker": 3 * 450 * MB,
    }


@pytest.fixture
def machine(tmp_path):
    """A /proc and a /sys/fs/cgroup of our own."""

    def build(membership: str, **files: str):
        (tmp_path / "proc/self").mkdir(parents=True)
        (tmp_path / "proc/self/cgroup").write_text(membership)
        for name, content in files.items():
            path = tmp_path / "cgroup" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
        return resources.look(tmp_path / "proc", tmp_path / "cgroup")

    return build


def test_a_control_group_of_version_2_counts_if_it_has_less(machine):
    found = machine(
        "0::/a/b\n", **{"a/b/memory.max": "max\n", "a/memory.max": "123456789\n", "a/b/cpu.max": "50000 100000\n"}
    )
    assert (found.memory, found.cpus) == (123456789, 1)
    assert found.available <= found.memory


def test_a_control_group_of_version_1_counts_if_it_has_less(machine):
    found = machine(
        "4:memory:/docker/x\n2:cpu,cpuacct:/docker/x\n0::/\n",
        **{
            "memory/memory.limit_in_bytes": "123456789\n",
            "cpu/docker/x/cpu.cfs_quota_us": "1\n",
            "cpu/docker/x/cpu.cfs_period_us": "100000\n",
        },
    )
    assert (found.memory, found.cpus) == (123456789, 1)


def test_control_groups_without_limits_change_nothing(machine, tmp_path):
    found = machine(
        "0::/a\n4:memory:/b\n2:cpu,cpuacct:/b\n",
        **{
            "a/memory.max": "max\n",
            "a/cpu.max": "max 100000\n",
            "memory/b/memory.limit_in_bytes": "9223372036854771712\n",
            "cpu/b/cpu.cfs_quota_us": "-1\n",
            "cpu/b/cpu.cfs_period_us": "100000\n",
        },
    )
    without = resources.look(tmp_path / "nothing", tmp_path / "nothing")
    assert (found.memory, found.cpus) == (without.memory, without.cpus)
    assert without.memory > 0
    assert without.cpus >= 1
