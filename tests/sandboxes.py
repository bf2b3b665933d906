"""The sandbox at a level, for tests that try what this machine offers."""

import pytest

from workers.sandbox import Sandbox, SandboxUnavailable


def detected(level: str) -> Sandbox:
    """Skips the test where this machine does not offer the level."""
    try:
        return Sandbox.detect(level)
    except SandboxUnavailable as why:
        pytest.skip(f"SANDBOX LEVEL NOT TRIED: {why.message}")
