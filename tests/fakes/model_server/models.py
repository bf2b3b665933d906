"""The models that each provider serves here; some of them have no price in any list."""

from collections.abc import Mapping
from typing import Any

SERVED: Mapping[str, frozenset[str]] = {
    "anthropic": frozenset(
        (
            "claude-fable-5",
            "claude-fable-5-1",
            "claude-fable-5-2",
            "claude-haiku-4-5",
            "claude-haiku-4-5-20251001",
            "claude-haiku-5-5",
            "claude-mythos-5",
            "claude-mythos-5-1",
            "claude-mythos-5-2",
            "claude-mythos-preview",
            "claude-opus-4-5",
            "claude-opus-4-5-20251101",
            "claude-opus-4-6",
            "claude-opus-4-7",
            "claude-opus-4-8",
            "claude-opus-5",
            "claude-opus-5-5",
            "claude-sonnet-4-5",
            "claude-sonnet-4-5-20250929",
            "claude-sonnet-4-6",
            "claude-sonnet-5",
            "claude-sonnet-5-5",
        )
    ),
    "openai": frozenset(
        (
            "gpt-5-codex",
            "gpt-5.1-codex-max",
            "gpt-5.3-codex",
            "gpt-5.4",
            "gpt-5.4-mini",
            "gpt-5.5",
            "gpt-5.6-luna",
            "gpt-5.6-sol",
            "gpt-5.6-terra",
            "gpt-6-astra",
            "gpt-6-luna",
            "gpt-6-sol",
            "gpt-6.1-sol",
            "gpt-6.1-terra",
            "gpt-6.2-sol",
        )
    ),
    "deepseek": frozenset(("deepseek-flash", "deepseek-v4-flash", "deepseek-v4-pro")),
}


def descriptions(anthropic: bool) -> dict[str, dict[str, Any]]:
    """Each model as its provider describes it."""
    if not anthropic:
        names = sorted(SERVED["openai"] | SERVED["deepseek"])
        shared = {"object": "model", "created": 1_767_225_600, "owned_by": "fake"}
        return {name: {"id": name, **shared} for name in names}
    common = {"type": "model", "lifecycle": "active", "created_at": "2026-01-01T00:00:00Z"}
    names = sorted(SERVED["anthropic"])
    return {name: {"id": name, "display_name": name, **common} for name in names}
