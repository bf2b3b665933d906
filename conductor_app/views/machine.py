"""How busy this machine is, for the dashboard; looking takes no time."""

import threading
import time

import psutil

# Looks that follow each other more closely, in seconds, share one answer.
MEASURED_OVER = 1.0


class Processors:
    """The share of the processors' time that is not idle, from look to look."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._looked = time.monotonic()
        self._idle, self._total = _spent()
        # For who asks at once: since the machine was started.
        self._busy = 1 - self._idle / self._total

    def busy(self) -> float:
        """From 0 to 1, since the look before this one."""
        with self._lock:
            now = time.monotonic()
            idle, total = _spent()
            if now - self._looked >= MEASURED_OVER and total > self._total:
                # A virtual machine's counters may go back a little.
                share = 1 - (idle - self._idle) / (total - self._total)
                self._busy = min(max(share, 0.0), 1.0)
                self._looked, self._idle, self._total = now, idle, total
            return self._busy


def _spent() -> tuple[float, float]:
    """Seconds idle, and all, of all processors together since the machine's start."""
    times = psutil.cpu_times()
    return times.idle + getattr(times, "iowait", 0.0), sum(times)
