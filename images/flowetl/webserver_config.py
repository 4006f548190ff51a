"""How people sign in to Airflow's pages: with the users in its database."""

from flask_appbuilder.const import AUTH_DB

AUTH_TYPE = AUTH_DB
WTF_CSRF_ENABLED = True
# Guesses of one address
AUTH_RATE_LIMITED = True
AUTH_RATE_LIMIT = "10 per 40 second"
RATELIMIT_STORAGE_URI = "memory://"
