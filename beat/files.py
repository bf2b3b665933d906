"""`python -m beat.files EXECUTION`: writes all files that tell of an execution now.

For whoever does not wait for the tick, or has none: no server need run. Prints their folder.
"""

import argparse
import sys
from collections.abc import Sequence

from beat import projections
from conductor_app.bootstrap import connected
from conductor_app.errors import ConductorError
from conductor_app.queue import MemoryQueue
from conductor_app.settings import Settings


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m beat.files", description=__doc__)
    parser.add_argument("execution")
    chosen = parser.parse_args(arguments)
    try:
        # It records how far the execution is, and sends nothing.
        with connected(Settings.load(), MemoryQueue()) as conductor:
            print(projections.rebuild(conductor, chosen.execution))
    except (OSError, UnicodeError, ConductorError) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
