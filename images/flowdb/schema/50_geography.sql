-- Administrative areas, coarse to fine. A cell belongs to the area that its point lies within;
-- a point exactly on a border belongs to none.

CREATE SCHEMA geography;

CREATE TABLE geography.admin0 (
    gid        serial PRIMARY KEY,
    admin0name text,
    admin0pcod text,
    geom       geometry (MultiPolygon, 4326)
);

CREATE TABLE geography.admin1 (
    gid        serial PRIMARY KEY,
    admin0name text,
    admin0pcod text,
    admin1name text,
    admin1pcod text,
    geom       geometry (MultiPolygon, 4326)
);

CREATE TABLE geography.admin2 (
    gid        serial PRIMARY KEY,
    admin0name text,
    admin0pcod text,
    admin1name text,
    admin1pcod text,
    admin2name text,
    admin2pcod text,
    geom       geometry (MultiPolygon, 4326)
);

CREATE TABLE geography.admin3 (
    gid        serial PRIMARY KEY,
    admin0name text,
    admin0pcod text,
    admin1name text,
    admin1pcod text,
    admin2name text,
    admin2pcod text,
    admin3name text,
    admin3pcod text,
    geom       geometry (MultiPolygon, 4326)
);

CREATE INDEX ON geography.admin0 USING gist (geom);
CREATE INDEX ON geography.admin1 USING gist (geom);
CREATE INDEX ON geography.admin2 USING gist (geom);
CREATE INDEX ON geography.admin3 USING gist (geom);
