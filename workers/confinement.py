"""Paths that come from a template or from an agent's commit, and must stay inside the checkout."""

from pathlib import Path

from conductor_app.errors import InvalidInput


class OutsideCheckout(InvalidInput):
    """A path leads outside the checkout."""

    code = "outside_checkout"


def inside(checkout: Path, path: Path | str) -> Path:
    """The real path of something in the checkout, links followed. Raises OutsideCheckout."""
    root = checkout.resolve()
    real = (root / path).resolve()
    if not real.is_relative_to(root):
        raise OutsideCheckout(f"{path} leads outside the checkout; name a path inside the project.")
    return real
