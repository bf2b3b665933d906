"""Claude Code and Codex themselves make a small change, with their models behind the gateway."""

import base64
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import missing
from tests.fakes import programs
from tests.fakes.model_server import Space, says
from tests.fakes.programs.shop import KEY, Shop, open_shop
from tests.sandboxes import detected
from workers.connectors.programs.attempt import OUTPUT_FILE

# The program's own name, its model, and the connector that the gateway calls as.
PROGRAMS = {
    "claude-code": ("claude", "claude-sonnet-5-5", "claude"),
    "codex": ("codex", "gpt-6.1-sol", "codex"),
}
# A grey pixel, as PNG.
DOT = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGNoaGgAAAMEAYFL09IQAAAAAElFTkSuQmCC"
)


@pytest.fixture(params=PROGRAMS)
def program(request: pytest.FixtureRequest) -> str:
    name = str(request.param)
    if shutil.which(PROGRAMS[name][0]) is None:
        missing(f"{name.upper()} NOT TRIED: {PROGRAMS[name][0]} is not on PATH")
    return name


@pytest.fixture
def shop(
    program: str,
    sqlite_url: str,
    home: Path,
    tmp_path: Path,
    model_server: Space,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Shop]:
    choices = {"program": program, "model": PROGRAMS[program][1]}
    programs.write(home, {"command": choices})
    with open_shop("command", sqlite_url, home, tmp_path, model_server, monkeypatch) as shop:
        yield shop


@pytest.mark.parametrize("level", ["sandlock", "bubblewrap", "unconfined"])
def test_it_makes_a_small_change(shop: Shop, program: str, level: str) -> None:
    _, model, connector = PROGRAMS[program]
    result = shop.run(sandbox=detected(level))
    assert (shop.worktree / "greeting.py").read_text() == 'GREETING = "hello"\n'
    assert "greeting.py says hello." in result.summary
    assert {row[:2] for row in shop.booked()} == {(connector, model)}
    assert {row[5] for row in shop.booked()} == {"reported"}
    assert sum(row[4] or 0 for row in shop.booked()) == shop.server.ledger.cost_nano_usd > 0
    assert result.usage.cost_nano_usd == shop.server.ledger.cost_nano_usd
    assert {request.key for request in shop.server.requests} == {KEY}
    assert KEY not in (shop.artifacts / OUTPUT_FILE).read_text()
    assert shop.nothing_is_held()


def test_the_budget_ends_what_would_never_end(
    shop: Shop, program: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither program has been told of a cap."""
    monkeypatch.setenv("CONDUCTOR_CLAUDE_BASE_URL", shop.server.url("loop"))
    monkeypatch.setenv("CONDUCTOR_CODEX_BASE_URL", shop.server.url("loop") + "/v1")
    shop.budget = {"tokens": 300_000}
    wait = shop.waits()
    assert (wait.kind, wait.pauses) == ("BUDGET_EXHAUSTED", True)
    assert "conductor budget raise" in wait.reason
    billed = shop.server.ledger.total
    assert 0 < billed.input_tokens + billed.output_tokens <= 300_000
    assert shop.nothing_is_held()


@pytest.mark.parametrize(
    ("fault", "kind"),
    [("401", "CREDENTIALS"), ("spend-limit", "SPEND_LIMIT"), ("529", "API_LIMIT")],
)
def test_what_its_provider_refuses_has_its_kind(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, fault: str, kind: str
) -> None:
    monkeypatch.setenv("CONDUCTOR_CLAUDE_BASE_URL", shop.server.url("change", fault))
    monkeypatch.setenv("CONDUCTOR_CODEX_BASE_URL", shop.server.url("change", fault) + "/v1")
    assert (shop.waits() if kind == "API_LIMIT" else shop.fails()).kind == kind
    assert shop.booked() == []
    assert shop.nothing_is_held()


def test_it_is_offered_nothing_that_no_budget_covers(
    shop: Shop, program: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Codex no images: what they cost is not known before. Claude Code's have a worst case."""
    (shop.worktree / "dot.png").write_bytes(DOT)
    look = ("Read", {"file_path": str(shop.worktree / "dot.png")})
    url = shop.server.add("looks", says("I look.", look), says("A dot."))
    monkeypatch.setenv("CONDUCTOR_CLAUDE_BASE_URL", url)
    monkeypatch.setenv("CONDUCTOR_CODEX_BASE_URL", url + "/v1")
    assert "A dot." in shop.run().summary
    said = json.dumps([request.body for request in shop.server.requests])
    assert "view_image" not in said
    assert (base64.b64encode(DOT).decode() in said) == (program == "claude-code")
    assert {row[5] for row in shop.booked()} == {"reported"}
