"""An Airflow DAG that loads data sessions into FlowDB, one CSV file for each day; README.md is the guide to it."""

from flowetl.util import create_dag
from when_to_load import OPTIONS, complete

# 1. The file, as FlowDB sees it: its /etl is the directory FLOWDB_ETL_DIR. {{ ds_nodash }} is the day: 20160131.
FILENAME = "/etl/mds_{{ ds_nodash }}.csv"

# 2. Your columns: all that the file has, in the file's order, with the types that they are to be read as. The header
#    line is skipped, so the names are for you to choose.
FIELDS = {
    "session_id": "TEXT",
    "start_time": "TIMESTAMPTZ",
    "msisdn": "TEXT",
    "duration": "NUMERIC",
    "volume_up": "NUMERIC",
    "volume_down": "NUMERIC",
    "cell_id": "TEXT",
    "tac": "NUMERIC",
}

# 3. FlowDB's columns, made of yours. What stands after AS, and every type, has to stay as it is; what stands before is
#    an expression over your columns, or NULL for what you do not have.
EXTRACT_SQL = """
    SELECT
        session_id::TEXT                    AS id,
        start_time::TIMESTAMPTZ             AS datetime,         -- required; within the file's day
        duration::NUMERIC                   AS duration,         -- seconds
        (volume_up + volume_down)::NUMERIC  AS volume_total,     -- in one unit, the same for all three
        volume_up::NUMERIC                  AS volume_upload,
        volume_down::NUMERIC                AS volume_download,
        msisdn::TEXT                        AS msisdn,           -- required; the subscriber, as a hash
        cell_id::TEXT                       AS location_id,      -- id in infrastructure.cells
        NULL::TEXT                          AS imsi,             -- a hash
        NULL::TEXT                          AS imei,             -- a hash
        tac::NUMERIC(8)                     AS tac,              -- the first 8 digits of the IMEI: the handset's model
        NULL::NUMERIC                       AS operator_code,
        NULL::NUMERIC                       AS country_code
    FROM {{ staging_table }}
"""

dag = create_dag(
    dag_id="load_mds",
    cdr_type="mds",
    filename=FILENAME,
    fields=FIELDS,
    extract_sql=EXTRACT_SQL,
    indexes=("location_id", "datetime", "tac"),  # FlowETL would also index a counterpart, which there is not
    **OPTIONS,
)
complete(dag, FILENAME)
