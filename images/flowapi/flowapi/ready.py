"""A health check: exit status 0 if FlowAPI here can describe itself, which takes FlowMachine too.

Standard library only, and none of FlowAPI's modules, so that it starts quickly.
"""

import os
import ssl
import sys
from collections.abc import Mapping
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path

PATH = "/api/0/spec/openapi.json"
SECONDS = 8.0
SECRETS = Path("/run/secrets")


def main(environment: Mapping[str, str] = os.environ, secrets: Path = SECRETS) -> int:
    port = int(environment.get("FLOWAPI_PORT", "").strip() or "9090")
    connection = HTTPConnection("127.0.0.1", port, timeout=SECONDS)
    if (secrets / "cert-flowkit.pem").is_file():
        # The certificate bears the server's public names, and this is not one of them
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        connection = HTTPSConnection("127.0.0.1", port, timeout=SECONDS, context=context)
    try:
        connection.request("GET", PATH)
        status = connection.getresponse().status
    except (OSError, HTTPException) as problem:
        print(f"FlowAPI does not answer: {problem}", file=sys.stderr)
        return 1
    if status != 200:
        print(f"FlowAPI answers {PATH} with {status}", file=sys.stderr)
    return 0 if status == 200 else 1


if __name__ == "__main__":
    sys.exit(main())
