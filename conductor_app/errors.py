"""Every error that Conductor raises on purpose: a stable code, a sentence with the way out."""

from typing import Any


class ConductorError(Exception):
    """Conductor could not do what was asked."""

    code = "conductor_error"
    status = 500
    exit_code = 1

    def __init__(self, message: str | None = None, **details: Any) -> None:
        self.message = message or " ".join((type(self).__doc__ or "").split())
        self.details = details
        super().__init__(self.message)


class InvalidInput(ConductorError):
    """The input is not valid."""

    code = "invalid_input"
    status = 422
    exit_code = 2


class InvalidSettings(InvalidInput):
    """The settings are not valid."""

    code = "invalid_settings"


class InvalidWorkflow(InvalidInput):
    """The workflow template has errors; `conductor check` lists them all."""

    code = "invalid_workflow"


class NotFound(ConductorError):
    """There is no such thing here."""

    code = "not_found"
    status = 404


class Refused(ConductorError):
    """The state of things does not allow this now."""

    code = "refused"
    status = 409


class Ambiguous(Refused):
    """Several executions could be meant; name one."""

    code = "ambiguous"


class Unauthenticated(ConductorError):
    """A valid bearer token is needed."""

    code = "unauthenticated"
    status = 401


class Unreachable(ConductorError):
    """A service that Conductor needs does not answer."""

    code = "unreachable"
    status = 503
    exit_code = 3


class EnvironmentProblem(ConductorError):
    """Something that Conductor needs is missing on this machine; `conductor doctor` says what."""

    code = "environment_problem"
    status = 503
