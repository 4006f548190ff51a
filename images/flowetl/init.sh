#!/bin/sh
# Prepares Airflow's database; the official image has this under the same path.
exec python -m flowetl_service.preparation
