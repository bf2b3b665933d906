"""What a provider says of a call that failed, however oddly it says it."""

from pathlib import Path

import pytest

from conductor_app import connector_settings, masking
from conductor_app.connector_settings import ModelSettings
from conductor_app.masking import MASK
from conductor_app.settings import Settings
from workers.connectors.faults import Fault, failure_of, retry_after

CANARY = "canary-quoted-1a2b3c4d5e6f"
KEY = "sk-test-of-the-worker-0123456789"


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModelSettings:
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
    return connector_settings.load(Settings.load(tmp_path)).of("claude")


@pytest.mark.parametrize(
    "said",
    [
        "Mon, 99999999999999999999 Jan 2020 00:00:00 GMT",
        "Mon, 01 Jan 2020 99999999999999999999:00:00 GMT",
        "Mon, 01 Jan 9999999999999999999999 00:00:00 GMT",
        "Mon, 01 Jan 2020 00:00:00 +99999999999999999999999",
        f"Mon, {'9' * 5000} Jan 2020 00:00:00 GMT",
        "Mon, 01 Jan 0001 00:00:00 -0000",
        "9" * 5000,
        "inf",
        ",",
        " ",
        "soon",
    ],
)
def test_a_time_that_no_calendar_has_says_nothing(said: str) -> None:
    assert retry_after({"retry-after": said}) in (None, 0.0)


def test_a_date_says_when_to_ask_again() -> None:
    assert retry_after({"retry-after": "Mon, 01 Jan 2001 00:00:00 GMT"}) == 0.0
    assert (retry_after({"retry-after": "Fri, 01 Jan 2999 00:00:00 GMT"}) or 0) > 1e9


def test_no_half_of_a_secret_is_quoted(settings: ModelSettings) -> None:
    masking.know(CANARY)
    for before in range(0, 300, 7):
        message = failure_of(Fault("x " * before + CANARY + " more" * 100), settings).message
        assert "canary" not in message
    message = failure_of(Fault(f"It was {CANARY}\nhere."), settings).message
    assert f"It was {MASK} here." in message


def test_the_key_is_not_quoted(settings: ModelSettings) -> None:
    message = failure_of(Fault(f"No such key: {KEY}", status=401), settings).message
    assert "No such key: ***." in message
