"""The model server as a process: prints its address and serves until it is stopped."""

import argparse
import json
import signal
import sys
from pathlib import Path

from tests.fakes.model_server.scenarios import turns_of
from tests.fakes.model_server.server import running


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.fakes.model_server")
    parser.add_argument("--port", type=int, default=0, help="a free one when left out")
    parser.add_argument(
        "--script", action="append", default=[], metavar="NAME=FILE", help="turns as a JSON list"
    )
    options = parser.parse_args()
    # Blocked before any thread begins, so that nobody but sigwait gets them.
    ends = {signal.SIGINT, signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_BLOCK, ends)
    with running(options.port) as server:
        for named in options.script:
            name, _, path = named.partition("=")
            server.default.add(name, *turns_of(json.loads(Path(path).read_text())))
        print(server.address, flush=True)
        signal.sigwait(ends)
    sys.exit(0)


main()
