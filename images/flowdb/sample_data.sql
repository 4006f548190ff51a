-- A small made-up country and some days of its mobile phone records, from 2016-01-01 on.
-- psql variables: subscribers (at least 400), days, seed. The same three give the same rows: chance comes from
-- hashes of what it decides, never from random(), so that no query plan can change it.
--
-- Twelve regions (admin3) have 7 to 11 % of the residents each. On working days two in five of these are at work in
-- one of the next three regions from 8 to 18; every other one spends the weekend five regions on. So 400 subscribers
-- leave more than 15 in every region on every day, whichever way they are counted: FlowMachine redacts 15 and less.

SET LOCAL timezone = 'UTC';

-- 0 to 1, fixed by the key.
CREATE FUNCTION pg_temp.chance(VARIADIC key text[]) RETURNS double precision LANGUAGE sql STABLE
AS $$ SELECT (hashtextextended(array_to_string(key, '/'), current_setting('sample.seed')::bigint) & 4294967295) / 4294967296.0 $$;

-- A whole number from 0 to less than n, fixed by the key.
CREATE FUNCTION pg_temp.pick(n integer, VARIADIC key text[]) RETURNS integer LANGUAGE sql STABLE
AS $$ SELECT floor(pg_temp.chance(VARIADIC key) * n)::integer $$;

CREATE FUNCTION pg_temp.polar(angle double precision, radius double precision) RETURNS geometry LANGUAGE sql IMMUTABLE
AS $$ SELECT ST_SetSRID(ST_MakePoint(-27 + 1.6 * radius * cosd(angle), 5 + 1.1 * radius * sind(angle)), 4326) $$;

SELECT set_config('sample.seed', :'seed', true) AS seed \gset


-- Geography: an island; each of three provinces is a third of it, with one region inland and three on the coast.

CREATE TEMPORARY TABLE island ON COMMIT DROP AS
SELECT ST_MakePolygon(ST_MakeLine(pg_temp.polar(
           step * 3 % 360,
           1 + 0.10 * sind(3 * (step * 3 % 360) + 40) + 0.06 * sind(5 * (step * 3 % 360) + 10)
             + 0.03 * sind(13 * (step * 3 % 360)) + 0.02 * sind(29 * (step * 3 % 360))
       ) ORDER BY step)) AS geom
FROM generate_series(0, 120) AS step;

CREATE TEMPORARY TABLE region ON COMMIT DROP AS
WITH seat AS (
    SELECT n, n / 4 AS province, n / 2 AS district,
           pg_temp.polar(
               120 * (n / 4) + CASE n % 4 WHEN 0 THEN 50 ELSE 40 * (n % 4) - 20 END
                   + 16 * (pg_temp.chance('seat angle', n::text) - 0.5),
               CASE n % 4 WHEN 0 THEN 0.32 ELSE 0.74 END + 0.12 * (pg_temp.chance('seat radius', n::text) - 0.5)
           ) AS point
    FROM generate_series(0, 11) AS n
), area AS (
    SELECT (ST_Dump(ST_VoronoiPolygons(ST_Collect(point ORDER BY n), 0, (SELECT ST_Expand(geom, 1) FROM island)))).geom
    FROM seat
)
SELECT seat.n, seat.province, seat.district, area.geom AS area,
       'SAV' AS admin0pcod, 'Savanthe' AS admin0name,
       format('SAV.%s', province + 1) AS admin1pcod,
       ('{Norreland,Wessmark,Estholm}'::text[])[province + 1] AS admin1name,
       format('SAV.%s.%s', province + 1, district % 2 + 1) AS admin2pcod,
       ('{Aldermoor,Tarnvik,Brackwater,Skelldale,Oxmere,Dunhaven}'::text[])[district + 1] AS admin2name,
       format('SAV.%s.%s.%s', province + 1, district % 2 + 1, n % 2 + 1) AS admin3pcod,
       ('{Highfell,Lantern Bay,Corran,Saltness,Midwater,Gannet Cliffs,Old Ferry,Pennick,Thornby,Marram,Whitesand,Kelder}'
           ::text[])[n + 1] AS admin3name
FROM seat JOIN area ON ST_Within(seat.point, area.geom);

CREATE FUNCTION pg_temp.on_island(geometry) RETURNS geometry LANGUAGE sql STABLE
AS $$ SELECT ST_Multi(ST_CollectionExtract(ST_Intersection($1, geom), 3)) FROM island $$;

INSERT INTO geography.admin0 (admin0name, admin0pcod, geom)
SELECT DISTINCT admin0name, admin0pcod, ST_Multi(island.geom) FROM region, island;

INSERT INTO geography.admin1 (admin0name, admin0pcod, admin1name, admin1pcod, geom)
SELECT admin0name, admin0pcod, admin1name, admin1pcod, pg_temp.on_island(ST_Union(area))
FROM region GROUP BY 1, 2, 3, 4 ORDER BY admin1pcod;

INSERT INTO geography.admin2 (admin0name, admin0pcod, admin1name, admin1pcod, admin2name, admin2pcod, geom)
SELECT admin0name, admin0pcod, admin1name, admin1pcod, admin2name, admin2pcod, pg_temp.on_island(ST_Union(area))
FROM region GROUP BY 1, 2, 3, 4, 5, 6 ORDER BY admin2pcod;

INSERT INTO geography.admin3 (admin0name, admin0pcod, admin1name, admin1pcod, admin2name, admin2pcod,
                              admin3name, admin3pcod, geom)
SELECT admin0name, admin0pcod, admin1name, admin1pcod, admin2name, admin2pcod, admin3name, admin3pcod,
       pg_temp.on_island(area)
FROM region ORDER BY admin3pcod;


-- Network: three sites in each region, well inside it, with three cells each.

CREATE TEMPORARY TABLE site ON COMMIT DROP AS
WITH place AS (
    SELECT region.n AS region, admin3name, p.path[1] - 1 AS k, p.geom AS point
    FROM region
    JOIN geography.admin3 USING (admin3name)
    CROSS JOIN LATERAL ST_Dump(ST_GeneratePoints(
        ST_Buffer(admin3.geom, -0.05), 3, 1 + pg_temp.pick(1000000, 'sites', region.n::text)
    )) AS p
), area AS (
    SELECT (ST_Dump(ST_VoronoiPolygons(ST_Collect(point ORDER BY region, k), 0,
                                       (SELECT ST_Expand(geom, 1) FROM island)))).geom
    FROM place
)
SELECT region, k, format('S%s', lpad((region * 3 + k + 1)::text, 3, '0')) AS id,
       format('%s %s', admin3name, k + 1) AS name, point, pg_temp.on_island(area.geom) AS area
FROM place JOIN area ON ST_Within(place.point, area.geom);

INSERT INTO infrastructure.sites (id, version, name, type, status, structure_type, is_cow, date_of_first_service,
                                  geom_point, geom_polygon)
SELECT id, 0, name, 'macro', 'on air', 'tower', false, DATE '2015-01-01', point, area
FROM site ORDER BY id;

INSERT INTO infrastructure.cells (id, version, site_id, name, type, msc, bsc_rnc, antenna_type, status, lac, height,
                                  azimuth, max_range, min_range, date_of_first_service, geom_point, geom_polygon)
SELECT format('%sC%s', id, sector), 0, id, format('%s, sector %s', name, sector), 'macro', 'MSC1',
       format('RNC%s', region / 4 + 1), 'panel', 'on air', (100 + region)::text, 20 + pg_temp.pick(30, 'height', id),
       120 * (sector - 1), 20000, 0, DATE '2015-01-01', point, area
FROM site CROSS JOIN generate_series(1, 3) AS sector
ORDER BY id, sector;

INSERT INTO infrastructure.tacs (id, brand, model, hnd_type, display_colors, hardware_gprs, hardware_edge, hardware_umts,
                                 hardware_wifi, hardware_bluetooth, hardware_gps, software_os_name, software_os_vendor)
SELECT 35000000 + n * 1001, brand, format('%s-%s', left(brand, 1), 10 + n), type, type <> 'Basic', type <> 'Basic',
       type <> 'Basic', type = 'Smart', type = 'Smart', type <> 'Basic', type = 'Smart',
       CASE type WHEN 'Smart' THEN 'Lark' END, CASE type WHEN 'Smart' THEN brand END
FROM (
    SELECT n, ('{Fenwick,Orlo,Tamsin,Quill}'::text[])[n % 4 + 1] AS brand,
           ('{Smart,Smart,Feature,Smart,Basic}'::text[])[n % 5 + 1] AS type
    FROM generate_series(0, 19) AS n
) handset;


-- Subscribers. Each uses one site in each of the regions where it lives, works and spends the weekend.

CREATE TEMPORARY TABLE subscriber ON COMMIT DROP AS
WITH seat AS (
    SELECT array_agg(region ORDER BY pg_temp.chance('seat', region::text, i::text), region, i) AS regions
    FROM unnest('{7,9,8,7,10,8,8,7,11,8,9,8}'::integer[]) WITH ORDINALITY AS size (percent, region)
    CROSS JOIN LATERAL generate_series(1, percent) AS i
), resident AS (
    SELECT n, home, row_number() OVER (PARTITION BY home ORDER BY n) - 1 AS k
    FROM generate_series(0, :subscribers - 1) AS n
    CROSS JOIN LATERAL (SELECT regions[n % 100 + 1] - 1 AS home FROM seat) AS h
)
SELECT n,
       encode(sha256(convert_to(format('msisdn/%s/%s', :seed, n), 'UTF8')), 'hex') AS msisdn,
       encode(sha256(convert_to(format('imsi/%s/%s', :seed, n), 'UTF8')), 'hex') AS imsi,
       encode(sha256(convert_to(format('imei/%s/%s', :seed, n), 'UTF8')), 'hex') AS imei,
       35000000 + 1001 * pg_temp.pick(20, 'handset', n::text) AS tac,
       home,
       (home + CASE WHEN k % 5 < 2 THEN 1 + k / 5 % 3 ELSE 0 END) % 12 AS work,
       (home + CASE WHEN k % 2 = 0 THEN 5 ELSE 0 END) % 12 AS weekend
FROM resident;

CREATE TEMPORARY TABLE day ON COMMIT DROP AS
SELECT DATE '2016-01-01' + n AS day, extract(isodow FROM DATE '2016-01-01' + n) > 5 AS is_weekend
FROM generate_series(0, :days - 1) AS n;

-- The cell that a subscriber's phone uses at a time.
CREATE FUNCTION pg_temp.cell(n integer, home bigint, work bigint, weekend bigint, at timestamptz)
RETURNS text LANGUAGE sql STABLE
AS $$
    SELECT format('S%sC%s', lpad((place * 3 + pg_temp.pick(3, 'site', n::text, place::text) + 1)::text, 3, '0'),
                  1 + pg_temp.pick(3, 'cell', n::text, at::text))
    FROM (
        SELECT CASE
            WHEN extract(isodow FROM at) > 5 THEN weekend
            WHEN extract(hour FROM at) BETWEEN 8 AND 17 THEN work
            ELSE home
        END AS place
    ) p
$$;

-- What a subscriber does in a day: some calls and messages to a few friends, one by day and one in the evening at
-- least, some data and now and then a top-up.
CREATE TEMPORARY TABLE action ON COMMIT DROP AS
SELECT s.n, k.kind, k.i, d.day::timestamptz + make_interval(secs => CASE k.i
           WHEN 1 THEN 9 * 3600 + pg_temp.pick(8 * 3600, 'time', k.kind, s.n::text, d.day::text, '1')
           WHEN 2 THEN 19 * 3600 + pg_temp.pick(4 * 3600, 'time', k.kind, s.n::text, d.day::text, '2')
           ELSE 6 * 3600 + pg_temp.pick(17 * 3600, 'time', k.kind, s.n::text, d.day::text, k.i::text)
       END) AS datetime,
       (s.n + 1 + 7 * pg_temp.pick(8, 'friend', k.kind, s.n::text, d.day::text, k.i::text)) % :subscribers AS other,
       format('%s-%s-%s-%s', k.kind, d.day, s.n, k.i) AS id
FROM subscriber s
CROSS JOIN day d
CROSS JOIN LATERAL (
    SELECT 'calls' AS kind, i FROM generate_series(1, 2 + pg_temp.pick(3, 'calls', s.n::text, d.day::text)) AS i
    UNION ALL
    SELECT 'sms', i FROM generate_series(1, 2 + pg_temp.pick(2, 'sms', s.n::text, d.day::text)) AS i
    UNION ALL
    SELECT 'mds', i FROM generate_series(1, 2 + pg_temp.pick(3, 'mds', s.n::text, d.day::text)) AS i
    UNION ALL
    SELECT 'topups', 3 WHERE pg_temp.chance('topups', s.n::text, d.day::text) < 0.4
) k;

SELECT format('CREATE TABLE events.%1$I PARTITION OF events.%2$I FOR VALUES FROM (%3$L) TO (%4$L)',
              kind || to_char(day, '_YYYYMMDD'), kind, day, day + 1)
FROM day CROSS JOIN unnest('{calls,sms,mds,topups}'::text[]) AS kind
\gexec

-- One row for each party.
CREATE TEMPORARY TABLE party ON COMMIT DROP AS
SELECT a.kind, a.id, a.datetime, p.outgoing, s.msisdn, o.msisdn AS msisdn_counterpart,
       pg_temp.cell(s.n, s.home, s.work, s.weekend, a.datetime) AS location_id, s.imsi, s.imei, s.tac,
       10 + floor(-120 * ln(1 - pg_temp.chance('duration', a.id))) AS duration
FROM action a
CROSS JOIN LATERAL (VALUES (true, a.n, a.other), (false, a.other, a.n)) AS p (outgoing, n, other)
JOIN subscriber s ON s.n = p.n
JOIN subscriber o ON o.n = p.other
WHERE a.kind IN ('calls', 'sms');

INSERT INTO events.calls (id, outgoing, datetime, duration, network, msisdn, msisdn_counterpart, location_id,
                          imsi, imei, tac, operator_code, country_code)
SELECT id, outgoing, datetime, duration, 'Savtel', msisdn, msisdn_counterpart, location_id, imsi, imei, tac, 1, 999
FROM party WHERE kind = 'calls' ORDER BY datetime, id, outgoing;

INSERT INTO events.sms (id, outgoing, datetime, network, msisdn, msisdn_counterpart, location_id,
                        imsi, imei, tac, operator_code, country_code)
SELECT id, outgoing, datetime, 'Savtel', msisdn, msisdn_counterpart, location_id, imsi, imei, tac, 1, 999
FROM party WHERE kind = 'sms' ORDER BY datetime, id, outgoing;

INSERT INTO events.mds (id, datetime, duration, volume_total, volume_upload, volume_download, msisdn, location_id,
                        imsi, imei, tac, operator_code, country_code)
SELECT id, datetime, 30 + pg_temp.pick(1800, 'session', id), up + down, up, down, msisdn,
       pg_temp.cell(s.n, home, work, weekend, datetime), imsi, imei, tac, 1, 999
FROM action a
JOIN subscriber s ON s.n = a.n
CROSS JOIN LATERAL (SELECT pg_temp.pick(2000, 'up', id) AS up, pg_temp.pick(20000, 'down', id) AS down) volume
WHERE kind = 'mds' ORDER BY datetime, id;

INSERT INTO events.topups (id, datetime, type, recharge_amount, airtime_fee, tax_and_fee, pre_event_balance,
                           post_event_balance, msisdn, location_id, imsi, imei, tac, operator_code, country_code)
SELECT id, datetime, 'voucher', amount, 0, amount * 0.1, balance, balance + amount * 0.9, msisdn,
       pg_temp.cell(s.n, home, work, weekend, datetime), imsi, imei, tac, 1, 999
FROM action a
JOIN subscriber s ON s.n = a.n
CROSS JOIN LATERAL (
    SELECT 10 * (1 + pg_temp.pick(10, 'amount', id)) AS amount, pg_temp.pick(20, 'balance', id) AS balance
) voucher
WHERE kind = 'topups' ORDER BY datetime, id;

SELECT format('CREATE INDEX ON events.%I (%I)', kind || to_char(day, '_YYYYMMDD'), column_name)
FROM day
CROSS JOIN unnest('{calls,sms,mds,topups}'::text[]) AS kind
CROSS JOIN unnest('{msisdn_counterpart,location_id,datetime,tac}'::text[]) AS column_name
WHERE column_name <> 'msisdn_counterpart' OR kind IN ('calls', 'sms')
\gexec


-- The log that FlowETL would have left.

CREATE TEMPORARY TABLE loaded ON COMMIT DROP AS
SELECT 'calls' AS kind, datetime, msisdn, location_id FROM events.calls
UNION ALL SELECT 'sms', datetime, msisdn, location_id FROM events.sms
UNION ALL SELECT 'mds', datetime, msisdn, location_id FROM events.mds
UNION ALL SELECT 'topups', datetime, msisdn, location_id FROM events.topups;

INSERT INTO etl.etl_records (cdr_type, cdr_date, state, "timestamp")
SELECT kind, day, 'ingested', now()
FROM day CROSS JOIN unnest('{calls,sms,mds,topups}'::text[]) AS kind
ORDER BY kind, day;

UPDATE public.available_tables
SET has_locations = true, has_subscribers = true, has_counterparts = table_name IN ('calls', 'sms')
WHERE table_name IN ('calls', 'sms', 'mds', 'topups');

INSERT INTO events.location_ids (location_id, cdr_type, first_active_date, last_active_date)
SELECT location_id, kind, min(datetime)::date, max(datetime)::date FROM loaded GROUP BY location_id, kind;

INSERT INTO etl.post_etl_queries (cdr_date, cdr_type, type_of_query_or_check, outcome, "timestamp")
SELECT l.day, l.kind, c.name, c.outcome, now()
FROM (
    SELECT datetime::date AS day, kind, count(*) AS n, count(DISTINCT msisdn) AS msisdns,
           count(DISTINCT location_id) AS locations, min(datetime) AS earliest, max(datetime) AS latest
    FROM loaded GROUP BY 1, 2
) l
CROSS JOIN LATERAL (VALUES
    ('count_added_rows', n::text), ('count_msisdns', msisdns::text), ('count_location_ids', locations::text),
    ('earliest_timestamp', earliest::text), ('latest_timestamp', latest::text)
) AS c (name, outcome)
ORDER BY l.kind, l.day, c.name;
