-- The three logins. Passwords come as psql variables, which were read from standard input; terse errors do not
-- quote the statement that failed.

\set VERBOSITY terse
ALTER ROLE flowdb PASSWORD :'flowdb_password';
CREATE ROLE flowmachine LOGIN PASSWORD :'flowmachine_password';
CREATE ROLE :"flowapi_user" LOGIN PASSWORD :'flowapi_password';
\set VERBOSITY default

REVOKE CONNECT ON DATABASE flowdb, postgres, template1 FROM PUBLIC;

-- flowmachine reads the records and writes results. FlowMachine makes this role the owner of every result,
-- so analysts who work with their own logins need membership in it.
GRANT CONNECT, CREATE ON DATABASE flowdb TO flowmachine;
GRANT USAGE ON SCHEMA events, infrastructure, etl TO flowmachine;
GRANT SELECT ON ALL TABLES IN SCHEMA events, infrastructure, etl TO flowmachine;
GRANT USAGE, CREATE ON SCHEMA cache, geography TO flowmachine;
GRANT ALL ON ALL TABLES IN SCHEMA cache, geography TO flowmachine;
GRANT ALL ON ALL SEQUENCES IN SCHEMA cache, geography TO flowmachine;

-- What FlowETL and the operator (as flowdb) make later.
ALTER DEFAULT PRIVILEGES FOR ROLE flowdb IN SCHEMA events, infrastructure, etl GRANT SELECT ON TABLES TO flowmachine;
ALTER DEFAULT PRIVILEGES FOR ROLE flowdb IN SCHEMA cache, geography GRANT ALL ON TABLES TO flowmachine;
ALTER DEFAULT PRIVILEGES FOR ROLE flowdb IN SCHEMA cache, geography GRANT ALL ON SEQUENCES TO flowmachine;

-- FlowAPI reads results and maps; cells and sites are the maps of the point units (lon-lat and versioned ones).
-- It may not read how results were made, nor a record.
GRANT CONNECT ON DATABASE flowdb TO :"flowapi_user";
GRANT USAGE ON SCHEMA cache, geography, infrastructure TO :"flowapi_user";
GRANT SELECT ON ALL TABLES IN SCHEMA geography TO :"flowapi_user";
GRANT SELECT ON infrastructure.cells, infrastructure.sites TO :"flowapi_user";
ALTER DEFAULT PRIVILEGES FOR ROLE flowdb, flowmachine IN SCHEMA cache, geography
    GRANT SELECT ON TABLES TO :"flowapi_user";
