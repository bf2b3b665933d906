"""In JSON text secrets are masked as elsewhere, and it stays JSON."""

import json
from pathlib import Path

import pytest

from conductor_app import masking
from conductor_app.masking import MASK
from workers import artifacts
from workers.retelling import Work, retell
from workers.transcript import Transcript, read_lines
from workers.turns import Message, Usage

KEY = "sk-ant-api03-Abcdefghij0123456789-klmnopqrstuvwxyz"
BEFORE = ["\u201c", "\u952e", "\U0001f511", "\uff1a", "\x07", "\b", "\f", "\n", "\t", '"', "\\"]


@pytest.mark.parametrize("before", BEFORE)
@pytest.mark.parametrize("ensure_ascii", [True, False])
def test_a_key_is_told_after_any_escape(before: str, ensure_ascii: bool) -> None:
    text = json.dumps({"said": f"{before}{KEY}{before}"}, ensure_ascii=ensure_ascii)
    assert json.loads(masking.data(text)) == {"said": f"{before}{MASK}{before}"}


@pytest.mark.parametrize("before", ["\u201c".encode(), b"\x00", b"\n"])
def test_a_key_is_told_in_bytes_as_python_shows_them(before: bytes) -> None:
    assert KEY not in masking.data(repr(before + KEY.encode()))


@pytest.mark.parametrize(
    "text",
    [
        'password="{}" host="db"',
        "token='{}' and",
        'api_key="{}"',
        'authorization: "Bearer {}"',
        '{{"authorization": "Bearer {}"}}',
        'Authorization: Bearer {}"',
        'x-api-key: "{}"',
        '{{"x-api-key": "{}", "a": 1}}',
        '{{"x-api-key":"{}\\\\"}}',
        'password={}" and "more',
        "postgresql://me:{}@host/db\n",
    ],
)
@pytest.mark.parametrize("value", ["hunter2xyz", "hunter2\\xyz"])
@pytest.mark.parametrize("depth", [1, 2, 3])
def test_what_is_masked_for_people_stays_json(text: str, value: str, depth: int) -> None:
    dumped = text.format(value)
    for _ in range(depth):
        dumped = json.dumps({"said": dumped})
    masked = masking.words(dumped)
    assert "hunter2" not in masked
    assert MASK in json.loads(masked)["said"]
    assert masking.words(masked) == masked


@pytest.mark.parametrize("before", BEFORE)
def test_a_transcript_holds_no_key(tmp_path: Path, before: str) -> None:
    transcript = Transcript(tmp_path, {"agent": f"{before}{KEY}", "at": _Said(f"{before}{KEY}")})
    transcript.opening([Message("user", f"The key is {before}{KEY}.")])
    transcript.said("Schl\u00fcssel")
    assert "Abcdefghij" not in (tmp_path / "transcript.jsonl").read_text()
    header, opening, said = read_lines(tmp_path)
    assert header["agent"] == header["at"] == f"{before}{MASK}"
    assert opening["messages"] == [{"role": "user", "text": f"The key is {before}{MASK}."}]
    assert said["text"] == "Schl\u00fcssel"


@pytest.mark.parametrize("before", BEFORE)
def test_nor_does_json_that_is_kept_as_text(tmp_path: Path, before: str) -> None:
    artifacts.write(tmp_path / "kept.json", json.dumps({"said": f"{before}{KEY}"}) + "\n")
    kept = json.loads((tmp_path / "kept.json").read_text())
    assert kept == {"said": f"{before}{MASK}"}


def test_nor_does_what_is_retold_of_a_program(tmp_path: Path) -> None:
    retell(tmp_path, None, Work("codex", f"I used \u201c{KEY}\u201d.", Usage()))
    (file,) = tmp_path.iterdir()
    turn = json.loads(file.read_text().splitlines()[0])
    assert turn["tool_calls"][0]["arguments"] == {"summary": f"I used \u201c{MASK}\u201d."}


class _Said:
    """What is no JSON."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __str__(self) -> str:
        return self._text
