"""The database of a FlowAuth of before roles, as SQL, and a password in it; no test is here."""

OLD_TABLES = """
CREATE TABLE "user" (id SERIAL PRIMARY KEY, username VARCHAR(75) NOT NULL UNIQUE, _password TEXT NOT NULL,
  is_admin BOOLEAN, require_two_factor BOOLEAN);
CREATE TABLE server (id SERIAL PRIMARY KEY, name VARCHAR(75) NOT NULL UNIQUE,
  latest_token_expiry TIMESTAMP NOT NULL, longest_token_life INTEGER NOT NULL);
CREATE TABLE two_factor_auth (user_id INTEGER PRIMARY KEY REFERENCES "user", enabled BOOLEAN NOT NULL,
  _secret_key TEXT NOT NULL);
CREATE TABLE two_factor_backup (id SERIAL PRIMARY KEY, auth_id INTEGER NOT NULL REFERENCES two_factor_auth,
  _backup_code TEXT NOT NULL);
CREATE TABLE "group" (id SERIAL PRIMARY KEY, name VARCHAR(75) NOT NULL UNIQUE, user_group BOOLEAN);
CREATE TABLE group_memberships (user_id INTEGER REFERENCES "user", group_id INTEGER REFERENCES "group",
  PRIMARY KEY (user_id, group_id));
CREATE TABLE group_server_token_limits (id SERIAL PRIMARY KEY, latest_end TIMESTAMP NOT NULL,
  longest_life INTEGER NOT NULL, server_id INTEGER NOT NULL REFERENCES server,
  group_id INTEGER NOT NULL REFERENCES "group");
CREATE TABLE server_capability (id SERIAL PRIMARY KEY, server_id INTEGER NOT NULL REFERENCES server,
  capability TEXT NOT NULL, capability_hash VARCHAR(32) NOT NULL, enabled BOOLEAN);
CREATE TABLE group_server_permission (id SERIAL PRIMARY KEY, group_id INTEGER NOT NULL REFERENCES "group",
  server_capability_id INTEGER NOT NULL REFERENCES server_capability);
CREATE TABLE token (id SERIAL PRIMARY KEY, name VARCHAR(75) NOT NULL, _token TEXT NOT NULL,
  expires TIMESTAMP NOT NULL, owner_id INTEGER NOT NULL REFERENCES "user",
  server_id INTEGER NOT NULL REFERENCES server);
-- argon2 of "an old password", as passlib wrote it
INSERT INTO "user" (username, _password, is_admin) VALUES ('old', '{hash}', false);
INSERT INTO server (name, latest_token_expiry, longest_token_life) VALUES ('old_api', '2099-01-01', 120);
INSERT INTO "group" (name, user_group) VALUES ('old', true);
INSERT INTO group_memberships VALUES (1, 1);
"""

HASHER = "import argon2; print(argon2.PasswordHasher(2, 102400, 8, 16, 16).hash('an old password'))"
