"""What this image adds to Airflow: its start, its secrets and the preparation of its database."""
