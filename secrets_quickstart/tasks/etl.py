"""`etl.*`: days of call records, brought into FlowDB by FlowETL's DAGs; what is done there is in `operations.etl_*`."""

from __future__ import annotations

from invoke.collection import Collection

ns = Collection("etl")
