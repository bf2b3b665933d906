"""The embedded stack as a whole: start it, find it, stop it; one a data directory."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from conductor_app.places import Places
from conductor_app.settings import Settings
from conductor_app.stack import datadir, differences, users
from conductor_app.stack.exclusive import alone
from conductor_app.stack.leftovers import end_leftovers
from conductor_app.stack.ports import choose_port, listens
from conductor_app.stack.programs import DRAIN_SECONDS, SERVICES, Program, programs_of
from conductor_app.stack.supervision import start_supervisor, supervisor_socket
from conductor_app.stack.supervisor_client import SupervisorClient
from conductor_app.stack.users import User
from conductor_app.wholefile import write_whole

POLL_SECONDS = 0.05


@dataclass(frozen=True)
class RunningStack:
    """A stack that runs, and where its API is.

    `kept`: it runs until somebody stops it; else it ends with the last run that uses it.
    """

    home: Path
    host: str
    port: int
    kept: bool = True

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

    def has_its_port(self) -> bool:
        """Whether its own API listens there at this moment, and no other program."""
        try:
            return listens(self.supervisor().states()["api"].pid, self.port)
        except OSError:
            return False  # It was stopped.


def find(home: Path) -> RunningStack | None:
    """The stack that runs on this data directory, if one does."""
    if not SupervisorClient(supervisor_socket(home)).answers():
        return None
    noted = _noted(home)
    return RunningStack(home, noted["host"], noted["port"], noted["kept"]) if noted else None


def start(
    settings: Settings,
    programs: Callable[[Settings], Sequence[Program]] = programs_of,
    before: Callable[[Settings], None] = lambda _: None,
    *,
    keep: bool = True,
) -> tuple[RunningStack, bool]:
    """Start the stack unless it runs already: the stack, and whether this call started it.

    `before` is done first, while nothing of the stack runs and nobody else can start it. With
    `keep` it runs until somebody stops it, whoever started it; without, as long as it has users.
    """
    datadir.prepare(settings.home)
    with alone(settings.home):
        if running := find(settings.home):
            return _kept(running) if keep else running, False
        end_leftovers(settings.home)
        before(settings)
        settings.api_token()
        stack = RunningStack(settings.home, settings.host, choose_port(settings), keep)
        chosen = settings.model_copy(update={"port": stack.port})
        start_supervisor(chosen, programs(chosen))
        _note_down(stack, chosen)
        if not keep:
            _start_guard(stack)
        return stack, True


def warning_of_settings(settings: Settings) -> str | None:
    """What to say of settings that are not those of the stack that runs."""
    noted = _noted(settings.home) or {}
    return differences.warning(noted.get("settings"), settings)


def stop(home: Path) -> bool:
    """Let work reach a safe point, end every process and wait for that; False if none ran."""
    if not Places(home).run.is_dir():
        return False
    with alone(home):
        return _stop(home)


def stop_unused(
    home: Path, user: User | None = None, hurrying: Callable[[], None] = lambda: None
) -> None:
    """Stop it if it runs for runs only and none is left but `user`, who leaves.

    Interrupted while it stops, it calls `hurrying` and ends every process at once: one that is
    half stopped would be found by the next run.
    """
    if not Places(home).run.is_dir():
        return
    with alone(home):
        # Not before: of two that leave at once each would take the other for one who stays.
        if user is not None:
            user.leave()
        noted = _noted(home)
        if (noted and noted["kept"]) or users.living(home):
            return
        try:
            _stop(home)
        except KeyboardInterrupt:
            hurrying()
            _stop(home, patiently=False)


def _stop(home: Path, *, patiently: bool = True) -> bool:
    supervisor = SupervisorClient(supervisor_socket(home))
    ran = supervisor.answers()
    if ran:
        if patiently:
            _drain(supervisor)
        supervisor.shut_down()
        _wait(lambda: not supervisor.answers(), DRAIN_SECONDS if patiently else 0)
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


def _kept(stack: RunningStack) -> RunningStack:
    """The stack, which its last run does not stop any more."""
    noted = _noted(stack.home) or {}
    _write(stack.home, {**noted, "kept": True})
    return replace(stack, kept=True)


def _note_down(stack: RunningStack, settings: Settings) -> None:
    where = {"host": stack.host, "port": stack.port, "kept": stack.kept}
    _write(stack.home, {**where, "settings": differences.to_note(settings)})


def _write(home: Path, noted: Mapping[str, Any]) -> None:
    write_whole(_note(home), json.dumps(noted))


def _noted(home: Path) -> dict[str, Any] | None:
    """What was noted of the stack that runs, or ran last and was killed."""
    try:
        return {"kept": True, **json.loads(_note(home).read_text())}
    except FileNotFoundError:
        return None


def _note(home: Path) -> Path:
    return Places(home).run / "stack.json"


def _start_guard(stack: RunningStack) -> None:
    """Have somebody watch who is left when the runs that use the stack are killed."""
    with (stack.logs / "guard.log").open("a") as log:
        subprocess.Popen(
            [sys.executable, "-P", "-m", "conductor_app.stack.guard", str(stack.home)],
            cwd=stack.home,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            # What ends a terminal or a run with all its children spares it.
            start_new_session=True,
        )
