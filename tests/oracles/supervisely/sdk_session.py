"""The vendor's SDK as a program of its own, in an environment that holds the SDK and none of this project.

Each line of standard input is a task as JSON: the `command` (a function of `sdk_commands`), the `url` and
`token` of the service, and the command's own arguments as `given`. Each line of standard output is what the
command returned, or the kind of the error and its trace.
"""

import contextlib
import json
import sys
import traceback
from typing import Any

import supervisely as sly

from tests.oracles.supervisely import sdk_commands


def serve() -> None:
    """Do one task after the other."""
    sly.logger.disabled = True
    for line in sys.stdin:
        try:
            # The SDK prints; what it says must not get between the answers.
            with contextlib.redirect_stdout(sys.stderr):
                said = {"answer": _done(json.loads(line))}
        except Exception as error:  # noqa: BLE001 - whatever it is, the test is told
            said = {"error": traceback.format_exc(), "kind": type(error).__name__}
        sys.stdout.write(json.dumps(said) + "\n")
        sys.stdout.flush()


def _done(task: dict[str, Any]) -> Any:  # noqa: ANN401 - JSON
    # A client of its own for each command: what one has cached is not known to the next.
    api = sly.Api(task["url"], task["token"], retry_count=3, retry_sleep_sec=0)
    return getattr(sdk_commands, task["command"])(api, **task["given"])


if __name__ == "__main__":
    serve()
