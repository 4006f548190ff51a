-- Extensions, and the server name that FlowETL's CSV loads use.

CREATE EXTENSION postgis;
CREATE EXTENSION postgis_raster;         -- FlowMachine's raster statistics
CREATE EXTENSION pgrouting;
CREATE EXTENSION fuzzystrmatch;
CREATE EXTENSION tsm_system_rows;        -- FlowMachine's sampling method "system_rows"
CREATE EXTENSION "uuid-ossp";
CREATE EXTENSION pg_stat_statements;
CREATE EXTENSION pldbgapi;               -- answers only in debug mode
CREATE EXTENSION plpython3u;
CREATE EXTENSION ogr_fdw;
CREATE EXTENSION tds_fdw;
CREATE EXTENSION file_fdw;

CREATE SERVER csv_fdw FOREIGN DATA WRAPPER file_fdw;
