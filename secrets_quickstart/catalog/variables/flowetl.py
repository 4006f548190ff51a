"""The variables of FlowETL, which is Airflow."""

from __future__ import annotations

from secrets_quickstart.catalog.variables.flowmachine import MEMORY
from secrets_quickstart.catalog.variables.quantities import Flag, Integer, Port, group_id, user_id
from secrets_quickstart.catalog.variables.variable import Variable
from secrets_quickstart.catalog.variables.words import Choice, Location, Text

# FlowETL's entrypoint cuts values at the first blank, and takes a colon for the end of Flower's user
WORD = Text("a word of letters, digits and . _ -", r"[A-Za-z0-9][\w.-]{0,63}")

VARIABLES = (
    Variable(
        "FLOWETL_HOST_PORT",
        Port(published=True),
        "8080",
        "The port of this machine where Airflow's pages are.",
        also=("FLOWETL_PORT",),
    ),
    Variable("FLOWETL_CELERY_PORT", Port(published=True), "5555", "The port of this machine for the workers' page."),
    Variable("FLOWETL_HOST_USER_ID", user_id(), "50000", "The uid that Airflow runs as."),
    Variable("FLOWETL_HOST_GROUP_ID", group_id(), "0", "The gid that Airflow runs as; its image wants 0."),
    Variable("FLOWETL_HOST_DAG_DIR", Location(), ".flowkit/dags", "The directory with the DAG files."),
    Variable(
        "FLOWETL_HOST_LOG_DIR",
        Location(),
        None,
        "The directory for Airflow's logs, which can grow very large.",
        otherwise="a Docker volume holds them.",
    ),
    Variable(
        "FLOWETL_LOG_DAYS",
        Integer(1, 3650),
        "30",
        "Airflow's logs go when nothing was added for so many days.",
    ),
    Variable("FLOWETL_WORKER_COUNT", Integer(1, 256), "1", "How many workers run tasks."),
    Variable("FLOWETL_AIRFLOW_ADMIN_USERNAME", WORD, "admin", "The name of Airflow's administrator."),
    Variable(
        "FLOWETL_AIRFLOW_ADMIN_EMAIL",
        Text("an e-mail address", r"[\w.+-]{1,64}@[\w-]+(\.[\w-]+)*"),
        "admin@flowkit.api",
        "That person's address.",
    ),
    Variable("FLOWETL_AIRFLOW_ADMIN_FIRSTNAME", WORD, "FlowETL", "Their first name."),
    Variable("FLOWETL_AIRFLOW_ADMIN_LASTNAME", WORD, "Admin", "Their last name."),
    Variable(
        "FLOWETL_AIRFLOW_PG_POOL_SLOT_COUNT",
        Integer(1, 1024),
        "4",
        "How many extractions may run in FlowDB at once.",
    ),
    Variable("FLOWETL_CELERY_USER", WORD, "flower", "Who may see the workers' page."),
    Variable("FLOWETL_MEMORY_LIMIT", MEMORY, "2GB", "Each container of FlowETL is stopped if it takes more."),
    Variable("AIRFLOW__CORE__LOAD_EXAMPLES", Flag(), "false", "Whether Airflow's example DAGs are there."),
    Variable("AIRFLOW__CORE__PARALLELISM", Integer(1, 4096), "32", "How many tasks may run at once."),
    Variable("AIRFLOW__CORE__MAX_ACTIVE_TASKS_PER_DAG", Integer(1, 4096), "16", "How many of them may be of one DAG."),
    Variable(
        "AIRFLOW__CORE__MAX_ACTIVE_RUNS_PER_DAG",
        Integer(1, 4096),
        "16",
        "How many days of one DAG may be loaded at once.",
    ),
    Variable(
        "AIRFLOW__CORE__DEFAULT_TIMEZONE",
        Text("a time zone such as utc or Africa/Accra", r"[A-Za-z][\w+-]*(/[\w+-]+)*"),
        "utc",
        "The time zone of the DAGs' dates.",
    ),
    Variable("AIRFLOW__CELERY__WORKER_CONCURRENCY", Integer(1, 1024), "4", "How many tasks one worker runs at once."),
    Variable(
        "AIRFLOW__LOGGING__LOGGING_LEVEL",
        Choice(("critical", "error", "warning", "info", "debug"), upper=True),
        "info",
        "How much Airflow says.",
    ),
    Variable(
        "AIRFLOW__WEBSERVER__BASE_URL",
        Text("an address such as https://etl.example.org", r"https?://[\w.-]+(:\d{1,5})?(/[\w./-]*)?"),
        None,
        "The address under which people reach Airflow's pages, if it is behind a proxy.",
        otherwise="Airflow supposes http://localhost:8080.",
    ),
)
