"""Endpoints about the interface itself: OpenAPI as JSON and YAML, and a page to read it on."""

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import yaml
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, Response
from starlette.routing import Route

from flowapi import logs, specification
from flowapi.flowmachine import FlowMachine
from flowapi.problems import Unavailable, failure

FRESH_SECONDS = 300.0  # FlowMachine's schemas change only when it is upgraded
RETRY_SECONDS = 30.0
SCRIPT = Path(__file__).parent / "assets" / "redoc.standalone.js"
SCRIPT_PATH = "/api/0/spec/redoc.standalone.js"

# Redoc writes styles into the page and searches in a worker; nothing comes from elsewhere
PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'unsafe-inline'; img-src 'self' data:;"
    " connect-src 'self'; worker-src blob:; font-src 'self' data:; base-uri 'none'"
)
PAGE = f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>FlowAPI</title>
<style>body {{ margin: 0 }} img[src^="https:"] {{ display: none }}</style>
</head>
<body>
<redoc spec-url="openapi.json"></redoc>
<script src="{SCRIPT_PATH}"></script>
</body>
</html>
"""


class Documentation:
    def __init__(self, flowmachine: FlowMachine, audience: str) -> None:
        self._flowmachine = flowmachine
        self._audience = audience
        self._json = b""
        self._yaml = b""
        self._good_until = float("-inf")
        self._lock = asyncio.Lock()

    def routes(self) -> list[Route]:
        return [
            Route("/api/0/spec/openapi.json", self.as_json),
            Route("/api/0/spec/openapi.yaml", self.as_yaml),
            Route("/api/0/spec/redoc", self.page),
            Route(SCRIPT_PATH, self.script),
        ]

    async def as_json(self, _request: Request) -> Response:
        await self._refresh()
        return Response(self._json, media_type="application/json")

    async def as_yaml(self, _request: Request) -> Response:
        await self._refresh()
        async with self._lock:
            if not self._yaml:  # half a second's work, for which nobody who wants JSON should wait
                self._yaml = await asyncio.to_thread(_yaml_of, self._json)
            return Response(self._yaml, media_type="application/yaml")

    async def page(self, _request: Request) -> Response:
        return HTMLResponse(PAGE, headers={"Content-Security-Policy": PAGE_POLICY})

    async def script(self, _request: Request) -> Response:
        if not SCRIPT.is_file():
            raise failure(404, "This server was built without Redoc.")
        return FileResponse(SCRIPT, media_type="text/javascript")

    async def _refresh(self) -> None:
        """Has a document to show, an old one if FlowMachine is away. Raises Unavailable."""
        async with self._lock:
            if time.monotonic() < self._good_until:
                return
            try:
                schemas = await self._schemas()
            except Unavailable:
                if not self._json:
                    raise
                logs.debug.warning("FlowMachine is away: its query schemas are those of before")
                self._good_until = time.monotonic() + RETRY_SECONDS
                return
            document = specification.document(schemas, self._audience)
            self._json = json.dumps(document).encode()
            self._yaml = b""
            self._good_until = time.monotonic() + FRESH_SECONDS

    async def _schemas(self) -> dict[str, Any]:
        reply = await self._flowmachine.ask("get_query_schemas")
        if not reply.succeeded:
            raise Unavailable(f"FlowMachine gives no query schemas: {reply.msg}")
        schemas: dict[str, Any] = reply.payload["query_schemas"]
        return schemas


def _yaml_of(document: bytes) -> bytes:
    # By way of JSON: no anchors for parts that the document shares
    plain = json.loads(document)
    return yaml.safe_dump(plain, sort_keys=False, allow_unicode=True).encode()
