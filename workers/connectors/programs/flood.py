"""How much a program may say: what it floods with fills no disk and holds no worker for long."""

from threading import Lock

from workers.agents.base import LogCallback

MOST_LINES = 200_000
MOST_BYTES = 200 << 20
# Of its lines, how many are kept in the attempt's log.
MOST_LOGGED = 5_000


class Flood:
    """Counts what is printed; `over` when it is more than any attempt has to say.

    Bytes are counted where they are read: a line may never end, and errors are no lines here.
    """

    def __init__(self, log: LogCallback) -> None:
        self._log = log
        # Standard output and error of one program are read by a thread each.
        self._lock = Lock()
        self._lines = 0
        self._bytes = 0
        self._logged = 0

    @property
    def over(self) -> bool:
        return self._lines > MOST_LINES or self._bytes > MOST_BYTES

    def line(self, line: str) -> None:
        self._lines += 1

    def read(self, size: int) -> None:
        with self._lock:
            self._bytes += size

    def log(self, line: str) -> None:
        """To the attempt's log, as long as there is room for it."""
        self._logged += 1
        if self._logged <= MOST_LOGGED:
            self._log(line)
        elif self._logged == MOST_LOGGED + 1:
            self._log(f"it says more than {MOST_LOGGED} lines; the rest is not logged")
