"""The tables of the system: data, no behaviour."""
