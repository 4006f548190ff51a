"""An Airflow DAG that loads messages into FlowDB, one CSV file for each day; README.md is the guide to it."""

from flowetl.util import create_dag
from when_to_load import OPTIONS, complete

# 1. The file, as FlowDB sees it: its /etl is the directory FLOWDB_ETL_DIR. {{ ds_nodash }} is the day: 20160131.
FILENAME = "/etl/sms_{{ ds_nodash }}.csv"

# 2. Your columns: all that the file has, in the file's order, with the types that they are to be read as. The header
#    line is skipped, so the names are for you to choose.
FIELDS = {
    "message_id": "TEXT",
    "event_time": "TIMESTAMPTZ",
    "outgoing": "BOOLEAN",
    "msisdn": "TEXT",
    "msisdn_counterpart": "TEXT",
    "cell_id": "TEXT",
    "tac": "NUMERIC",
}

# 3. FlowDB's columns, made of yours. What stands after AS, and every type, has to stay as it is; what stands before is
#    an expression over your columns, or NULL for what you do not have. One row for each party of a message.
EXTRACT_SQL = """
    SELECT
        message_id::TEXT          AS id,
        outgoing::BOOLEAN         AS outgoing,            -- true in the row of who sent it
        event_time::TIMESTAMPTZ   AS datetime,            -- required; within the file's day
        NULL::TEXT                AS network,
        msisdn::TEXT              AS msisdn,              -- required; whose row this is, as a hash
        msisdn_counterpart::TEXT  AS msisdn_counterpart,  -- the other party, hashed alike
        cell_id::TEXT             AS location_id,         -- id in infrastructure.cells
        NULL::TEXT                AS imsi,                -- a hash
        NULL::TEXT                AS imei,                -- a hash
        tac::NUMERIC(8)           AS tac,                 -- the first 8 digits of the IMEI: the handset's model
        NULL::NUMERIC             AS operator_code,
        NULL::NUMERIC             AS country_code
    FROM {{ staging_table }}
"""

dag = create_dag(
    dag_id="load_sms",
    cdr_type="sms",
    filename=FILENAME,
    fields=FIELDS,
    extract_sql=EXTRACT_SQL,
    **OPTIONS,
)
complete(dag, FILENAME)
