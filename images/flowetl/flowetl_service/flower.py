"""Flower's configuration file: who may sign in.

Airflow itself asks for that before it knows that the option is a secret, and with none it lets everybody in.
"""

import os

from flowetl_service.mounted import FLOWER_LOGIN, given

basic_auth = given(FLOWER_LOGIN, os.environ).split(",")
