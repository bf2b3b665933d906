"""A service that runs in the sandbox until its block is left, its output going to a log file."""

import codecs
import threading
from pathlib import Path

from conductor_app import masking
from workers.sandbox.process import Supervised

CHUNK = 65536
POLL_SECONDS = 0.1
LAST_WORDS_SECONDS = 2.0
TAIL_BYTES = 65536


class RunningCommand:
    """A command that is running, or was: its supervisor's pid, whether it lives, what it said."""

    def __init__(self, supervised: Supervised, log: Path, limit: int) -> None:
        self._supervised = supervised
        self._log = log
        self._limit = limit
        log.parent.mkdir(parents=True, exist_ok=True)
        log.touch()
        self._reader = threading.Thread(target=self._copy, name=f"log of {log.name}", daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        return self._supervised.pid

    def alive(self) -> bool:
        return self._supervised.alive()

    def output(self) -> str:
        """The end of what it has written so far, at most 64 KiB."""
        with self._log.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - TAIL_BYTES))
            return file.read().decode("utf-8", "replace")

    def finish(self) -> None:
        """Wait until all that it wrote is in the log; it must have been told to stop before."""
        while self._reader.is_alive() and self._supervised.alive():
            self._reader.join(POLL_SECONDS)
        self._reader.join(LAST_WORDS_SECONDS)

    def _copy(self) -> None:
        """Reads on when the log is full, so that the service never blocks on its output."""
        written = 0
        masked = masking.Stream()
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        with self._log.open("wb", buffering=0) as log:
            while said := self._supervised.output.read(CHUNK):
                data = masked.add(decoder.decode(said)).encode()
                log.write(data[: max(0, self._limit - written)])
                if written <= self._limit < written + len(data):
                    log.write(f"\n[... the log ends here: {self._limit} bytes ...]\n".encode())
                written += len(data)
            log.write(masked.end().encode()[: max(0, self._limit - written)])
