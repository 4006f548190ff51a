"""When days are loaded, and how long is waited for their files: the same for every DAG of this folder.  No DAG is here.

Airflow reads this file anew within a minute of a change.
"""

from datetime import timedelta

import pendulum
from airflow.models.dag import DagContext
from airflow.providers.common.sql.sensors.sql import SqlSensor

# The first day that there can be. Days before it are not loaded, even if asked for one by one.
START_DATE = pendulum.datetime(2016, 1, 1, tz="UTC")

# What happens when a DAG is switched on. False: it loads each day when it is over, and begins with yesterday. True: it
# also loads every day from START_DATE on that it has not loaded yet, so make that the first day you have a file of.
# Whatever this says, single days can be loaded with `invoke etl.run --date`.
CATCH_UP = False

# Seconds between two looks for a file that is not there, or has no rows yet. A look costs a worker about a second.
LOOK_EVERY = 5 * 60

# Seconds until a day whose file has not come has failed: longer than a weekend, shorter than it takes for everybody to
# forget about it. A day that waits holds no worker, but it is one of the days that one DAG may have under way at once
# (AIRFLOW__CORE__MAX_ACTIVE_RUNS_PER_DAG). FlowETL's own default is 7 days.
GIVE_UP_AFTER = 3 * 24 * 60 * 60

# A file is complete when it has not changed for so many seconds. Do not go below the time for which a network file
# system may show an old state (60 with NFS). Files that are renamed to their names when complete are the better way.
QUIET_FOR = 60

# What failed is tried again, because FlowDB was restarted, or a worker was lost: a quarter of an hour in all. A row
# that cannot be loaded is not made better by waiting; with FlowETL's own default, ten tries a day apart, nobody would
# hear of it for that long.
RETRIES = 3
RETRY_DELAY = timedelta(minutes=5)

OPTIONS = {
    "start_date": START_DATE,
    "schedule_interval": "@daily",
    "retries": RETRIES,
    "retry_delay": RETRY_DELAY,
    "data_present_poke_interval": LOOK_EVERY,
    "data_present_timeout": GIVE_UP_AFTER,
    "flux_check_poke_interval": LOOK_EVERY,
    "flux_check_wait_interval": QUIET_FOR,
    "flux_check_timeout": GIVE_UP_AFTER,
}
"""For create_dag."""


def complete(dag, filename):
    """Do to a DAG what create_dag has no options for."""
    # Nothing is loaded before somebody has switched the DAG on.
    dag.is_paused_upon_creation = True
    dag.catchup = CATCH_UP

    # Without this, a file that is not there yet fails at once. FlowDB is asked because it is FlowDB that opens it.
    wait = SqlSensor(
        task_id="wait_for_file",
        conn_id="flowdb",
        sql=f"SELECT (pg_stat_file('{filename}', true)).modification IS NOT NULL",
        mode="reschedule",
        poke_interval=LOOK_EVERY,
        timeout=GIVE_UP_AFTER,
        dag=dag,
    )
    wait >> dag.get_task("create_staging_view")

    # create_dag has registered the DAG as it was before: Airflow would take it for a second one and prepare it twice,
    # which FlowETL's SQL does not bear. As a variable of its file it is registered anyway.
    DagContext.autoregistered_dags = {entry for entry in DagContext.autoregistered_dags if entry[0] is not dag}
