-- FlowETL's workroom and its log. FlowMachine believes that a day is there when etl.available_dates has it.

CREATE SCHEMA etl;

CREATE TABLE etl.etl_records (
    id          serial PRIMARY KEY,
    cdr_type    varchar,
    cdr_date    date,
    state       varchar,
    "timestamp" timestamptz
);

CREATE TABLE etl.post_etl_queries (
    id                              serial PRIMARY KEY,
    cdr_date                        date,
    cdr_type                        text,
    type_of_query_or_check          text,
    outcome                         text,
    optional_comment_or_description text,
    "timestamp"                     timestamptz
);

CREATE VIEW etl.ingest_state AS
SELECT DISTINCT ON (cdr_type, cdr_date) cdr_type, cdr_date, state, "timestamp"
FROM etl.etl_records
ORDER BY cdr_type, cdr_date, "timestamp" DESC, id DESC;

CREATE VIEW etl.available_dates AS
SELECT cdr_type, cdr_date
FROM etl.ingest_state
WHERE state = 'ingested';

CREATE VIEW etl.deduped_post_etl_queries AS
SELECT DISTINCT ON (q.cdr_date, q.cdr_type, q.type_of_query_or_check)
    q.cdr_date, q.cdr_type, q.type_of_query_or_check, q.outcome, q.optional_comment_or_description, q."timestamp"
FROM etl.post_etl_queries q
JOIN etl.available_dates d ON d.cdr_date = q.cdr_date AND d.cdr_type = q.cdr_type
ORDER BY q.cdr_date, q.cdr_type, q.type_of_query_or_check, q."timestamp" DESC, q.id DESC;
