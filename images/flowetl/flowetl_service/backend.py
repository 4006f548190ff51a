"""Airflow's view of the mounted secrets: it looks here first for options, connections and variables.

So no process has a password in its environment, and `docker exec` sees what the services see.
"""

from __future__ import annotations

from airflow.secrets.base_secrets import BaseSecretsBackend

from flowetl_service import mounted


class MountedSecrets(BaseSecretsBackend):
    """Files, read anew whenever Airflow asks."""

    def get_config(self, key: str) -> str | None:
        return mounted.option(key)

    def get_conn_value(self, conn_id: str) -> str | None:
        return mounted.read(f"AIRFLOW_CONN_{conn_id.upper()}")

    def get_variable(self, key: str) -> str | None:
        return mounted.read(f"AIRFLOW_VAR_{key.upper()}")
