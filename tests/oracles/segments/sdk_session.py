"""The vendor's SDK as a program of its own, in an environment that holds the SDK and none of this project.

Each line of standard input is a task as JSON: the `command` (a function of `sdk_commands`), the `url` and
`key` of the service, and the command's own arguments as `given`. Each line of standard output is what the
command returned, or the kind of the error and its trace.
"""

import contextlib
import json
import logging
import sys
import traceback
from typing import Any

from segments import SegmentsClient

from tests.oracles.segments import sdk_commands


def serve() -> None:
    """Do one task after the other."""
    logging.disable(logging.ERROR)
    clients: dict[tuple[str, str], SegmentsClient] = {}
    for line in sys.stdin:
        try:
            # The SDK prints; what it says must not get between the answers.
            with contextlib.redirect_stdout(sys.stderr):
                said = {"answer": _done(clients, json.loads(line))}
        except Exception as error:  # noqa: BLE001 - whatever it is, the test is told
            said = {"error": traceback.format_exc(), "kind": type(error).__name__}
        sys.stdout.write(json.dumps(said) + "\n")
        sys.stdout.flush()


def _done(clients: dict[tuple[str, str], SegmentsClient], task: dict[str, Any]) -> Any:  # noqa: ANN401 - JSON
    url, key = task["url"], task["key"]
    if (client := clients.get((url, key))) is None:
        client = clients[url, key] = SegmentsClient(key, api_url=url)
    return getattr(sdk_commands, task["command"])(client, **task["given"])


if __name__ == "__main__":
    serve()
