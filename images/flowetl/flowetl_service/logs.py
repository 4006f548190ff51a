"""Airflow's own logging, except that a disk which is full stops no task."""

import logging
from copy import deepcopy

from airflow.config_templates.airflow_local_settings import DEFAULT_LOGGING_CONFIG

# A handler that cannot write would say so on stderr.  In a task, stderr leads back to that handler: the two go round
# for ever, the task neither starts nor fails, and its place in the worker is taken for as long as that lives.
logging.raiseExceptions = False

CONFIG = deepcopy(DEFAULT_LOGGING_CONFIG)
"""What `logging_config_class` in airflow.cfg names."""
