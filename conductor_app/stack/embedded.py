"""The embedded stack as a whole: start it, find it, stop it; one a data directory."""

import fcntl
import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from conductor_app.errors import Refused
from conductor_app.places import Places
from conductor_app.settings import Settings
from conductor_app.stack import datadir
from conductor_app.stack.leftovers import end_leftovers
from conductor_app.stack.ports import choose_port
from conductor_app.stack.programs import DRAIN_SECONDS, SERVICES, Program, programs_of
from conductor_app.stack.supervision import start_supervisor, supervisor_socket
from conductor_app.stack.supervisor_client import SupervisorClient
from conductor_app.wholefile import write_whole

LOCK_SECONDS = 90.0
POLL_SECONDS = 0.05


@dataclass(frozen=True)
class RunningStack:
    """A stack that runs, and where its API is."""

    home: Path
    host: str
    port: int

    @property
    def url(self) -> str:
        return f"http://{self.reachable_host}:{self.port}"

    @property
    def reachable_host(self) -> str:
        """An address for this machine's own use, also when the API listens on all of them."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)
        return f"[{host}]" if ":" in host else host

    @property
    def token_file(self) -> Path:
        return Places(self.home).api_token

    @property
    def logs(self) -> Path:
        return Places(self.home).logs

    def supervisor(self) -> SupervisorClient:
        return SupervisorClient(supervisor_socket(self.home))


def find(home: Path) -> RunningStack | None:
    """The stack that runs on this data directory, if one does."""
    if not SupervisorClient(supervisor_socket(home)).answers():
        return None
    try:
        noted = json.loads(_note(home).read_text())
    except FileNotFoundError:
        return None
    return RunningStack(home, noted["host"], noted["port"])


def start(
    settings: Settings,
    programs: Callable[[Settings], Sequence[Program]] = programs_of,
    before: Callable[[Settings], None] = lambda _: None,
) -> tuple[RunningStack, bool]:
    """Start the stack unless it runs already: the stack, and whether this call started it.

    `before` is done first, while nothing of the stack runs and nobody else can start it.
    """
    datadir.prepare(settings.home)
    with _alone(settings.home):
        if running := find(settings.home):
            return running, False
        end_leftovers(settings.home)
        before(settings)
        settings.api_token()
        stack = RunningStack(settings.home, settings.host, choose_port(settings))
        chosen = settings.model_copy(update={"port": stack.port})
        start_supervisor(chosen, programs(chosen))
        write_whole(_note(stack.home), json.dumps({"host": stack.host, "port": stack.port}))
        return stack, True


def stop(home: Path) -> bool:
    """Let work reach a safe point, end every process and wait for that; False if none ran."""
    if not Places(home).run.is_dir():
        return False
    with _alone(home):
        supervisor = SupervisorClient(supervisor_socket(home))
        ran = supervisor.answers()
        if ran:
            _drain(supervisor)
            supervisor.shut_down()
            _wait(lambda: not supervisor.answers(), DRAIN_SECONDS)
        # Also what a supervisor that was killed, or that hangs, left behind.
        left = end_leftovers(home)
        _note(home).unlink(missing_ok=True)
        return ran or left > 0


def _drain(supervisor: SupervisorClient) -> None:
    """Stop what works before the services that it works with, all at once."""
    workers = [name for name in supervisor.states() if name not in SERVICES]
    for name in workers:
        supervisor.ask_to_stop(name)

    def all_ended() -> bool:
        states = supervisor.states()
        return all(states[name].ended for name in workers)

    _wait(all_ended, DRAIN_SECONDS)


def _wait(condition: Callable[[], bool], seconds: float) -> None:
    """Return when `condition` holds, or after `seconds`; what still runs then is ended by force."""
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)


def _note(home: Path) -> Path:
    return Places(home).run / "stack.json"


@contextmanager
def _alone(home: Path) -> Iterator[None]:
    """Only one process at a time starts or stops the stack of a data directory."""
    deadline = time.monotonic() + LOCK_SECONDS
    with (Places(home).run / "stack.lock").open("w") as lock:
        while not _try_lock(lock.fileno()):
            if time.monotonic() > deadline:
                raise Refused(
                    f"Another `conductor` is starting or stopping the stack of {home} and takes "
                    f"longer than {LOCK_SECONDS:g} s. Wait for it, or end it, and try again."
                )
            time.sleep(POLL_SECONDS)
        yield


def _try_lock(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
