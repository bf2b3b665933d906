"""What is said of settings that the stack that runs does not have."""

from pathlib import Path

from conductor_app.settings import Settings
from conductor_app.stack import differences


def test_only_what_was_chosen_here_and_differs_is_told(tmp_path: Path) -> None:
    noted = differences.to_note(Settings.load(tmp_path, auto_advance=False, sandbox="sandlock"))
    assert differences.warning(noted, Settings.load(tmp_path)) is None
    assert differences.warning(noted, Settings.load(tmp_path, auto_advance=False)) is None
    mine = Settings.load(tmp_path, auto_advance=True, connector="claude")
    assert differences.warning(noted, mine) == (
        "Conductor runs already, and its own settings count: CONDUCTOR_AUTO_ADVANCE is false "
        "there, true here; CONDUCTOR_CONNECTOR is not set there, claude here. To have yours, "
        "`conductor down` and start it anew."
    )


def test_nothing_is_told_of_a_stack_that_did_not_note_its_settings(tmp_path: Path) -> None:
    assert differences.warning(None, Settings.load(tmp_path, auto_advance=False)) is None


def test_no_secret_is_noted(tmp_path: Path) -> None:
    chosen = {"token": "t-secret", "secret_key": "k-secret", "redis_url": "redis://:p-secret@h/0"}
    database = "postgresql://u:d-secret@h/x"
    noted = differences.to_note(Settings.load(tmp_path, database_url=database, **chosen))
    assert "secret" not in str(noted)
