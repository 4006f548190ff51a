"""Migrations: the tables' history, with the revision names of the official FlowAuth."""
