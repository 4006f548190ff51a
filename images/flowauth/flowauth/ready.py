"""A health check: exit status 0 if FlowAuth here answers.

Standard library only, and none of FlowAuth's modules, so that it starts quickly. It does not ask the database:
FlowAuth gets over that one's restarts, and must not be killed for them.
"""

import os
import sys
from collections.abc import Mapping
from http.client import HTTPConnection, HTTPException

PATH = "/version"
SECONDS = 4.0


def main(environment: Mapping[str, str] = os.environ) -> int:
    port = int(environment.get("FLOWAUTH_PORT", "").strip() or "80")
    connection = HTTPConnection("127.0.0.1", port, timeout=SECONDS)
    try:
        connection.request("GET", PATH)
        status = connection.getresponse().status
    except (OSError, HTTPException) as problem:
        print(f"FlowAuth does not answer: {problem}", file=sys.stderr)
        return 1
    if status != 200:
        print(f"FlowAuth answers {PATH} with {status}", file=sys.stderr)
    return 0 if status == 200 else 1


if __name__ == "__main__":
    sys.exit(main())
