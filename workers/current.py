"""The worker process that this interpreter is, opened once by its Celery worker's start."""

from workers.process import WorkerProcess

_process: WorkerProcess | None = None


def begin(process: WorkerProcess) -> None:
    global _process
    _process = process


def process() -> WorkerProcess:
    """The process; raises RuntimeError outside a worker."""
    if _process is None:
        raise RuntimeError("This is no worker process; start one with `python -m workers agent`.")
    return _process


def drain() -> None:
    """Give back what is at work; one that has not begun yet has nothing."""
    if _process is not None:
        _process.drain()


def end() -> None:
    global _process
    if _process is not None:
        _process.close()
        _process = None
