"""The project's own services, in the sandbox and on loopback, for the checks of one judging."""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

from conductor_app import masking
from conductor_app.domain.workflow import Service
from conductor_app.errors import ConductorError
from workers.command_line import argv, shown
from workers.loopback_client import NoAnswer, send
from workers.ports import HOST, belongs_to, listened_to, reserved
from workers.sandbox import RunningCommand, Sandbox

POLL_SECONDS = 0.1
PROBE_SECONDS = 2.0
READY = range(200, 300)
LOG_TAIL = 2_000
# A port can be taken by somebody else between finding it free and the service listening on it.
STARTS = 3


class ServiceFailed(ConductorError):
    """A service of the project does not run."""

    code = "service_failed"


class _PortTaken(Exception):
    """Another program was faster; the service is started again on another port."""


@dataclass(frozen=True)
class RunningService:
    """A service that was ready. `variables`: its declared environment with PORT."""

    name: str
    port: int
    variables: Mapping[str, str]
    log: Path
    command: RunningCommand

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    def log_tail(self) -> str:
        return masking.tail(self.command.output(), LOG_TAIL)


class Services:
    """The services of a workflow: each started when first asked for, all stopped by close()."""

    def __init__(
        self,
        declared: Mapping[str, Service],
        *,
        checkout: Path,
        sandbox: Sandbox,
        variables: Mapping[str, str],
        readable: Sequence[Path],
        home: Path,
        logs: Path,
        cancelled: Callable[[], bool],
    ) -> None:
        self._declared = declared
        self._checkout = checkout
        self._sandbox = sandbox
        self._variables = variables
        self._readable = readable
        self._ports = home / "ports"
        self._logs = logs
        self._cancelled = cancelled
        self._known: dict[str, RunningService | ServiceFailed] = {}
        self._running = ExitStack()

    def running(self, name: str) -> RunningService:
        """The service, ready to answer. Raises ServiceFailed, also when it has stopped since."""
        if name not in self._known:
            try:
                self._known[name] = self._start(name)
            except ServiceFailed as failure:
                self._known[name] = failure
        known = self._known[name]
        if isinstance(known, ServiceFailed):
            raise known
        if not known.command.alive():
            raise ServiceFailed(
                f"Service {name!r} was running and has stopped by itself. Log: {known.log}. "
                f"It ends with:\n{known.log_tail()}"
            )
        return known

    def close(self) -> None:
        self._running.close()

    def _start(self, name: str) -> RunningService:
        service = self._declared.get(name)
        if service is None:
            raise ServiceFailed(
                f"The workflow declares no service {name!r}; it declares: "
                f"{', '.join(sorted(self._declared)) or 'none'}."
            )
        for _ in range(STARTS):
            with suppress(_PortTaken), ExitStack() as started:
                running = self._launch(name, service, started)
                self._wait_until_ready(running, service)
                self._running.enter_context(started.pop_all())
                return running
        raise ServiceFailed(
            f"Service {name!r} found its port taken {STARTS} times in a row. It must listen on "
            f"$PORT, nothing else; its command is: {shown(service.run)}"
        )

    def _launch(self, name: str, service: Service, started: ExitStack) -> RunningService:
        port = started.enter_context(reserved(self._ports))
        variables = {**service.env, "PORT": str(port)}
        log = self._logs / f"service-{name}.log"
        command = started.enter_context(
            self._sandbox.start(
                argv(service.run),
                cwd=self._checkout,
                env={**self._variables, **variables},
                readable=self._readable,
                loopback_port=port,
                log=log,
            )
        )
        return RunningService(name, port, variables, log, command)

    def _wait_until_ready(self, running: RunningService, service: Service) -> None:
        seconds = service.ready.timeout
        deadline = time.monotonic() + seconds
        while True:
            if not running.command.alive():
                raise self._died(running, service)
            ready, seen = _probe(running, service.ready.path)
            if ready:
                return
            if self._cancelled():
                raise ServiceFailed(f"Service {running.name!r}: the judging was cancelled.")
            if time.monotonic() > deadline:
                raise ServiceFailed(
                    f"Service {running.name!r} was not ready after {seconds:g} s: {seen}. It must "
                    f"listen on $PORT of {HOST}. Log: {running.log}. It ends with:\n"
                    f"{running.log_tail()}"
                )
            time.sleep(POLL_SECONDS)

    def _died(self, running: RunningService, service: Service) -> Exception:
        running.command.finish()
        output = running.log_tail()
        if "address already in use" in output.lower():
            return _PortTaken()
        return ServiceFailed(
            f"Service {running.name!r} ended before it was ready. Command: {shown(service.run)}. "
            f"Log: {running.log}. It ends with:\n{output}"
        )


def _probe(running: RunningService, path: str | None) -> tuple[bool, str]:
    """Whether the service is ready, and what was seen. Raises _PortTaken."""
    if not listened_to(running.port):
        return False, "nothing listens on its port"
    if not belongs_to(running.port, running.command.pid):
        raise _PortTaken
    if path is None:
        return True, "it listens"
    try:
        answer = send(running.port, "GET", path, deadline=time.monotonic() + PROBE_SECONDS)
    except NoAnswer as reason:
        return False, f"GET {path}: {reason}"
    return answer.status in READY, f"GET {path} answered {answer.status}"
