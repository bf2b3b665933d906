"""Confined commands: the strongest sandbox that this machine offers, the same interface for all."""

from workers.sandbox.model import (
    CommandNotFound,
    CommandResult,
    Level,
    Limits,
    SandboxFailed,
    SandboxUnavailable,
)
from workers.sandbox.orders import Access
from workers.sandbox.sandbox import Sandbox
from workers.sandbox.service import RunningCommand

__all__ = [
    "Access",
    "CommandNotFound",
    "CommandResult",
    "Level",
    "Limits",
    "RunningCommand",
    "Sandbox",
    "SandboxFailed",
    "SandboxUnavailable",
]
