-- FlowMachine's results: cache.x<query id> for each, and what is needed to decide which of them to drop.
-- FlowMachine also keeps state in redis; empty both or neither.

CREATE SCHEMA cache;

CREATE TABLE cache.cached (
    query_id               char(32) CONSTRAINT cache_pkey PRIMARY KEY,
    version                varchar,
    query                  text,
    created                timestamptz,
    access_count           integer,
    last_accessed          timestamptz,
    compute_time           numeric,  -- ms
    cache_score_multiplier numeric,
    class                  varchar,
    schema                 varchar,
    tablename              varchar,
    obj                    bytea
);

-- FlowMachine inserts into this by position.
CREATE TABLE cache.dependencies (
    query_id   char(32) NOT NULL REFERENCES cache.cached (query_id) ON DELETE CASCADE,
    depends_on char(32) NOT NULL REFERENCES cache.cached (query_id) ON DELETE CASCADE,
    PRIMARY KEY (depends_on, query_id)
);

-- At 1, as FlowMachine sets it when it empties the cache: the first use draws 2.
CREATE SEQUENCE cache.cache_touches;
SELECT setval('cache.cache_touches', 1) AS cache_touches \gset

CREATE TABLE cache.cache_config (
    key   text PRIMARY KEY,
    value text NOT NULL
);
INSERT INTO cache.cache_config VALUES
    ('cache_size', :'cache_size'),                          -- bytes
    ('half_life', :'cache_half_life'),                      -- cache touches
    ('cache_protected_period', :'cache_protected_period');  -- seconds

-- Classes that wrap a table which is there anyway: never worth caching.
CREATE TABLE cache.zero_cache (object_class text PRIMARY KEY);
INSERT INTO cache.zero_cache VALUES
    ('Table'), ('GeoTable'), ('CallsTable'), ('SmsTable'), ('MdsTable'), ('TopupsTable'), ('ForwardsTable'),
    ('TacsTable'), ('CellsTable'), ('SitesTable');

CREATE FUNCTION public.cache_half_life()
RETURNS double precision
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT value::double precision FROM cache.cache_config WHERE key = 'half_life';
END;

CREATE FUNCTION public.cache_max_size()
RETURNS bigint
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT value::bigint FROM cache.cache_config WHERE key = 'cache_size';
END;

CREATE FUNCTION public.cache_protected_period()
RETURNS bigint
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT value::bigint FROM cache.cache_config WHERE key = 'cache_protected_period';
END;

CREATE FUNCTION public.cache_score(cache_score_multiplier numeric, compute_time numeric, tablesize double precision)
RETURNS double precision
LANGUAGE sql IMMUTABLE
RETURN cache_score_multiplier * ((compute_time / 1000) / tablesize);

-- Notes one more use of a cached query; returns its new score.
CREATE FUNCTION public.touch_cache(cached_query_id text)
RETURNS double precision
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    new_score double precision;
BEGIN
    UPDATE cache.cached AS c
    SET last_accessed = now(),
        access_count = c.access_count + 1,
        cache_score_multiplier = CASE
            WHEN c.class IN (SELECT z.object_class FROM cache.zero_cache z) THEN 0
            -- A use weighs about twice as much as one that lies half_life uses back.
            ELSE c.cache_score_multiplier
                 + power(1 + ln(2) / public.cache_half_life(), nextval('cache.cache_touches') - 2)
        END
    WHERE c.query_id = cached_query_id
    RETURNING public.cache_score(
        c.cache_score_multiplier,
        c.compute_time,
        greatest(public.table_size(c.tablename::text, c.schema::text), 0.00001)
    ) INTO new_score;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'no cache record with id %', cached_query_id;
    END IF;
    RETURN new_score;
END
$$;
