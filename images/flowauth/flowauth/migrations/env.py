"""Alembic's entry: runs the migrations in one transaction, and lets one process at a time do so."""

from alembic import context

from flowauth.migrations import adoption
from flowauth.models import Base, database

with database.engine.connect() as connection, connection.begin():
    adoption.wait_for_turn(connection)
    adoption.mark(connection)
    context.configure(connection=connection, target_metadata=Base.metadata)
    with context.begin_transaction():
        context.run_migrations()
