"""The means of a check: what must be on the machine for it to say anything about the commit."""

from conductor_app.errors import ConductorError


class MeansAbsent(ConductorError):
    """Something that the check needs is not on this machine."""

    code = "means_absent"
