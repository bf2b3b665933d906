"""What can go wrong with git, each in words that name the way out."""

from conductor_app.errors import ConductorError, EnvironmentProblem, InvalidInput, NotFound


class GitMissing(EnvironmentProblem):
    """The git program is not on PATH; install git 2.38 or newer."""

    code = "git_missing"


class GitFailed(ConductorError):
    """Git could not do what was asked."""

    code = "git_failed"


class NotARepository(InvalidInput):
    """The project is not a git repository."""

    code = "not_a_repository"


class EmptyRepository(NotARepository):
    """The repository has no commit yet."""

    code = "empty_repository"


class InvalidName(InvalidInput):
    """This can't be the name of a branch, a tag or a ref."""

    code = "invalid_ref_name"


class UnknownRevision(NotFound):
    """The repository has no such revision."""

    code = "unknown_revision"


class SecretsFound(ConductorError):
    """Files that would be committed hold a secret of this installation."""

    code = "secrets_found"


class UnfitNames(ConductorError):
    """Git keeps no files of these names."""

    code = "unfit_names"


class Superseded(ConductorError):
    """The job lost its right to move the branch before it did; nothing happened."""

    code = "superseded"
