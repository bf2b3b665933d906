"""`python -m conductor_app.stack.guard HOME`: ends a stack whose runs were all killed.

A run stops by itself what it is the last to use; one that is killed can't.
"""

import sys
import time
from contextlib import suppress
from pathlib import Path

from conductor_app.errors import Refused
from conductor_app.stack.users import wait_until_unused

# Between two tries, when another `conductor` takes long to start or stop the stack.
AGAIN_SECONDS = 1.0


def guard(home: Path) -> None:
    """Return when no run can leave the stack of this home behind any more."""
    while True:
        wait_until_unused(home)
        # Imported here: until then it waits, as long as the runs take, and should weigh little.
        from conductor_app.stack import embedded

        with suppress(Refused):
            embedded.stop_unused(home)
        stack = embedded.find(home)
        if stack is None or stack.kept:
            return
        time.sleep(AGAIN_SECONDS)


if __name__ == "__main__":
    guard(Path(sys.argv[1]))
