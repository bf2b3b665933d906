"""Removing what an agent may have made hard to remove."""

import os
import shutil
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any


def remove_tree(path: Path) -> None:
    """Removes the directory and all in it; directories without permissions get them back first.

    Links are removed, never followed. A path that does not exist is fine.
    """
    if path.exists():
        shutil.rmtree(path, onerror=_unlock_and_retry)


def _unlock_and_retry(function: Callable[..., Any], path: str, failure: Any) -> None:
    if isinstance(failure[1], FileNotFoundError):
        return
    for place in (Path(path).parent, Path(path)):
        if not place.is_symlink():
            os.chmod(place, stat.S_IRWXU)
    if function in (os.unlink, os.rmdir):
        function(path)
    else:
        shutil.rmtree(path)
