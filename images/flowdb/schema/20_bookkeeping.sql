-- What FlowDB says about itself. The tables are the superuser's; everyone reads them through the functions,
-- which therefore run with their owner's rights and a search path that nobody else can write to.

CREATE TABLE public.flowdb_version (
    version      text PRIMARY KEY,
    release_date date,
    updated      boolean
);
INSERT INTO public.flowdb_version (version, release_date) VALUES (:'version', :'release_date');

CREATE FUNCTION public.flowdb_version()
RETURNS TABLE (version text, release_date date)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT v.version, v.release_date FROM public.flowdb_version v;
END;

CREATE TABLE public.location_table (
    location_table text PRIMARY KEY,
    changed        boolean
);
INSERT INTO public.location_table (location_table) VALUES ('infrastructure.cells');

CREATE FUNCTION public.location_table()
RETURNS TABLE (location_table text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT l.location_table FROM public.location_table l;
END;

-- Nothing is available yet: FlowETL's first load of a type sets its row.
CREATE TABLE public.available_tables (
    table_name       text PRIMARY KEY,
    has_locations    boolean DEFAULT false,
    has_subscribers  boolean DEFAULT false,
    has_counterparts boolean DEFAULT false
);
INSERT INTO public.available_tables (table_name)
VALUES ('calls'), ('sms'), ('mds'), ('topups'), ('forwards');

-- FlowMachine reads the columns by position.
CREATE FUNCTION public.available_tables()
RETURNS TABLE (table_name text, has_locations boolean, has_subscribers boolean, has_counterparts boolean)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT t.table_name, t.has_locations, t.has_subscribers, t.has_counterparts FROM public.available_tables t;
END;

-- NULL for what is not an ordinary table.
CREATE FUNCTION public.table_size(tablename text, table_schema text)
RETURNS double precision
LANGUAGE sql STABLE STRICT SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT pg_total_relation_size(c.oid)::double precision
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind = 'r' AND c.relname = tablename AND n.nspname = table_schema;
END;

-- A sample of 1..max_val without replacement, the same for the same seed (-1 to 1).
CREATE FUNCTION public.random_ints(seed double precision, n_samples integer, max_val integer)
RETURNS TABLE (id integer)
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM setseed(seed);
    RETURN QUERY SELECT i FROM generate_series(1, max_val) AS i ORDER BY random() LIMIT n_samples;
END
$$;
