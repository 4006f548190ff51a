"""The table of documents: what every command prints with `--json`."""

from __future__ import annotations

from secrets_quickstart.catalog.documents import custody, deployment, work
from secrets_quickstart.catalog.documents.document import Document

DOCUMENTS: tuple[Document, ...] = (*deployment.DOCUMENTS, *custody.DOCUMENTS, *work.DOCUMENTS)
BY_COMMAND = {document.command: document for document in DOCUMENTS}
