"""What ends a run politely, by a person or a closed terminal, gets what Ctrl-C gets."""

import os
import signal
from collections.abc import Sequence
from types import FrameType

STANDARD_OUTPUTS = (1, 2)


def set_up() -> None:
    """Let SIGTERM and SIGHUP interrupt; `nohup` keeps the latter away, as always."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if signal.getsignal(signal.SIGHUP) == signal.SIG_IGN:
        return
    terminals = [each for each in STANDARD_OUTPUTS if os.isatty(each)]

    def hang_up(number: int, frame: FrameType | None) -> None:
        # The terminal and the shell in it both send one; the second is no wish to hurry.
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        _silence(terminals)
        signal.default_int_handler(number, frame)

    signal.signal(signal.SIGHUP, hang_up)


def _silence(terminals: Sequence[int]) -> None:
    """Nobody reads any more, and writing to a terminal that is gone is an error."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for each in terminals:
        os.dup2(nowhere, each)
