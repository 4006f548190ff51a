-- hartigan(): one subscriber's sites, clustered around those used on most days. FlowMachine's meaningful
-- locations are made of it. The method is that of Isaacman et al., Identifying Important Places in People's
-- Lives from Cellular Network Data (2011).

CREATE TYPE public.hartigan_input AS (
    site_ids       text[],
    versions       integer[],
    calldays       integer[],
    radius         numeric,
    buffer         numeric,
    call_threshold integer
);

-- One element for each cluster, best first. site_ids and versions join their cluster's members with '::'.
CREATE TYPE public.hartigan_clusters AS (
    clusters geometry[],
    rank     integer[],
    weights  integer[],
    site_ids text[],
    versions text[]
);

CREATE FUNCTION public.hartigan_collect(
    collected public.hartigan_input,
    site_id text, version integer, calldays integer,
    radius numeric, buffer numeric, call_threshold integer
)
RETURNS public.hartigan_input
LANGUAGE sql IMMUTABLE
RETURN ROW(
    collected.site_ids || site_id,
    collected.versions || version,
    collected.calldays || calldays,
    radius, buffer, call_threshold
)::public.hartigan_input;

CREATE FUNCTION public.hartigan_cluster(input public.hartigan_input)
RETURNS public.hartigan_clusters
LANGUAGE plpgsql STABLE
AS $$
DECLARE
    site       record;
    nearest    integer;
    longitudes double precision[] := '{}';
    latitudes  double precision[] := '{}';
    weights    integer[] := '{}';
    site_ids   text[] := '{}';
    versions   text[] := '{}';
    members    integer[] := '{}';
    polygons   geometry[] := '{}';
    result     public.hartigan_clusters;
BEGIN
    FOR site IN
        SELECT u.id, u.version, u.days, s.geom_polygon AS polygon, s.geom_point AS point,
               ST_X(s.geom_point) AS longitude, ST_Y(s.geom_point) AS latitude
        FROM unnest(input.site_ids, input.versions, input.calldays) AS u (id, version, days)
        JOIN infrastructure.sites s ON s.id = u.id AND s.version = u.version
        WHERE u.days > 0
        ORDER BY u.days DESC, u.id, u.version
    LOOP
        SELECT c.n INTO nearest
        FROM (
            SELECT n, ST_DistanceSphere(site.point, ST_SetSRID(ST_MakePoint(longitudes[n], latitudes[n]), 4326)) AS m
            FROM generate_subscripts(weights, 1) AS n
        ) c
        WHERE c.m <= input.radius * 1000
        ORDER BY c.m, c.n
        LIMIT 1;

        IF FOUND THEN
            -- The centre moves to the mean of the members, weighted by their days.
            longitudes[nearest] := (longitudes[nearest] * weights[nearest] + site.longitude * site.days)
                                   / (weights[nearest] + site.days);
            latitudes[nearest] := (latitudes[nearest] * weights[nearest] + site.latitude * site.days)
                                  / (weights[nearest] + site.days);
            weights[nearest] := weights[nearest] + site.days;
            site_ids[nearest] := site_ids[nearest] || '::' || site.id;
            versions[nearest] := versions[nearest] || '::' || site.version;
            members[nearest] := members[nearest] + 1;
        ELSE
            longitudes := longitudes || site.longitude;
            latitudes := latitudes || site.latitude;
            weights := weights || site.days;
            site_ids := site_ids || site.id;
            versions := versions || site.version::text;
            members := members || 1;
            polygons := polygons || site.polygon::geometry;
        END IF;
    END LOOP;

    SELECT array_agg(c.shape ORDER BY c.place), array_agg(c.place ORDER BY c.place),
           array_agg(c.weight ORDER BY c.place), array_agg(c.site_ids ORDER BY c.place),
           array_agg(c.versions ORDER BY c.place)
    INTO result
    FROM (
        SELECT
            CASE
                WHEN input.buffer <= 0 THEN centre.point
                -- One site is as large as its own area, where that is known.
                WHEN k.members = 1 AND k.polygon IS NOT NULL THEN k.polygon
                ELSE ST_Buffer(centre.point::geography, input.buffer * 1000)::geometry
            END AS shape,
            (row_number() OVER (ORDER BY k.weight DESC, k.n))::integer AS place,
            k.weight, k.site_ids, k.versions
        FROM unnest(longitudes, latitudes, weights, site_ids, versions, members, polygons)
             WITH ORDINALITY AS k (longitude, latitude, weight, site_ids, versions, members, polygon, n)
        CROSS JOIN LATERAL (
            SELECT ST_SetSRID(ST_MakePoint(k.longitude, k.latitude), 4326) AS point
        ) centre
        WHERE k.weight >= input.call_threshold
    ) c;
    RETURN result;
END
$$;

-- radius and buffer in km; clusters with fewer than call_threshold days are left out.
CREATE AGGREGATE public.hartigan(
    site_id text, version integer, calldays integer, radius numeric, buffer numeric, call_threshold integer
) (
    SFUNC = public.hartigan_collect,
    STYPE = public.hartigan_input,
    FINALFUNC = public.hartigan_cluster
);
