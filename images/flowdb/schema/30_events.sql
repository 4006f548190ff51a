-- Call detail records. Each table has one partition for each day, named <table>_YYYYMMDD, which FlowETL attaches.
-- Calls and messages have two rows each, one for either party; msisdn, imsi and imei are hashes.

CREATE SCHEMA events;

CREATE TABLE events.calls (
    id                 text,
    outgoing           boolean,
    datetime           timestamptz NOT NULL,
    duration           numeric,
    network            text,
    msisdn             text NOT NULL,
    msisdn_counterpart text,
    location_id        text,
    imsi               text,
    imei               text,
    tac                numeric(8),
    operator_code      numeric,
    country_code       numeric
) PARTITION BY RANGE (datetime);

CREATE TABLE events.sms (
    id                 text,
    outgoing           boolean,
    datetime           timestamptz NOT NULL,
    network            text,
    msisdn             text NOT NULL,
    msisdn_counterpart text,
    location_id        text,
    imsi               text,
    imei               text,
    tac                numeric(8),
    operator_code      numeric,
    country_code       numeric
) PARTITION BY RANGE (datetime);

CREATE TABLE events.forwards (LIKE events.sms) PARTITION BY RANGE (datetime);

CREATE TABLE events.mds (
    id              text,
    datetime        timestamptz NOT NULL,
    duration        numeric,
    volume_total    numeric,
    volume_upload   numeric,
    volume_download numeric,
    msisdn          text NOT NULL,
    location_id     text,
    imsi            text,
    imei            text,
    tac             numeric(8),
    operator_code   numeric,
    country_code    numeric
) PARTITION BY RANGE (datetime);

CREATE TABLE events.topups (
    id                 text,
    datetime           timestamptz NOT NULL,
    type               text,
    recharge_amount    numeric,
    airtime_fee        numeric,
    tax_and_fee        numeric,
    pre_event_balance  numeric,
    post_event_balance numeric,
    msisdn             text NOT NULL,
    location_id        text,
    imsi               text,
    imei               text,
    tac                numeric(8),
    operator_code      numeric,
    country_code       numeric
) PARTITION BY RANGE (datetime);

CREATE TABLE events.location_ids (
    location_id       text,
    cdr_type          text,
    first_active_date date,
    last_active_date  date,
    PRIMARY KEY (location_id, cdr_type)
);
