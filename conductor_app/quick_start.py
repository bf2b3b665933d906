"""How the programs that go on for long start."""

import gc
import importlib
from collections.abc import Callable


def main_of(module: str) -> Callable[[], None]:
    """The function `main` of a module, imported without looking for garbage on the way.

    Hardly any of it is, and looking would be a sixth of the time that a start takes. What was
    imported stays, so later looks leave it out.
    """
    gc.disable()
    try:
        found: Callable[[], None] = importlib.import_module(module).main
    finally:
        gc.freeze()
        gc.enable()
    return found
