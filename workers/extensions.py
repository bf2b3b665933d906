"""Functions that people install under a name: those built in, and those of an entry point group."""

from collections.abc import Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Generic, TypeVar, cast

from conductor_app.errors import ConductorError, NotFound

Function = TypeVar("Function")
# What a process has looked up it does not look up again.
RESTART = "workers that ran before it was there have to be restarted."


class UnknownExtension(NotFound):
    """No function of that name is installed."""

    code = "unknown_extension"


class BrokenExtension(ConductorError):
    """An installed function could not be imported."""

    code = "broken_extension"


class Extensions(Generic[Function]):
    """The functions of one entry point group; each is imported when it is first asked for."""

    def __init__(self, group: str, built_in: Mapping[str, Function] | None = None) -> None:
        self.group = group
        self._functions: dict[str, Function] = dict(built_in or {})

    def register(self, name: str, function: Function) -> None:
        self._functions[name] = function

    def names(self) -> list[str]:
        return sorted({*self._functions, *self._installed()})

    def find(self, name: str) -> Function:
        """The function of this name. Raises UnknownExtension or BrokenExtension."""
        if name not in self._functions:
            self._functions[name] = self._load(name)
        return self._functions[name]

    def _load(self, name: str) -> Function:
        entry = self._installed().get(name)
        if entry is None:
            raise UnknownExtension(
                f"Nothing named {name!r} is registered in {self.group}; there is: "
                f"{', '.join(self.names()) or 'nothing'}. "
                f"Install the package that provides it; {RESTART}"
            )
        try:
            return cast(Function, entry.load())
        except (ImportError, AttributeError) as error:
            raise BrokenExtension(
                f"{name!r} ({entry.value}) of {self.group} could not be imported: {error}. "
                f"Reinstall or repair the package that provides it; {RESTART}"
            ) from error

    def _installed(self) -> dict[str, EntryPoint]:
        return {entry.name: entry for entry in entry_points(group=self.group)}
