"""Secrets are masked wherever they stand, at once or in pieces, and ordinary text is left alone."""

import json
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest

from conductor_app import masking
from conductor_app.masking import MASK

SECRET = "canary/Zx81+qpl 7=&"
PEM = (
    "-----BEGIN RSA PRIVATE KEY-----\n"
    + "\n".join(["MIIEowIBAAKCAQEA0Z3VS5JJcds3xfn/ygWyF8PbnGy0AHB7MaXkYyLkTQm"] * 12)
    + "\n-----END RSA PRIVATE KEY-----"
)
KEYS = (
    "sk-ant-api03-Abcdefghij0123456789-klmnopqrstuvwxyz",
    "sk-proj-AbCdEf0123456789AbCdEf0123456789",
    "sk-0123456789abcdef0123456789abcdef",
    "ghp_0123456789abcdefghijABCDEFGHIJ012345",
    "github_pat_11ABCDEFG0123456789_abcdefghijkl",
    "glpat-AbCdEf0123456789AbCd",
    "AKIAIOSFODNN7REALKEY",
    "AIza0123456789abcdefghijABCDEFGHIJ01234",
    "xoxb-123456789012-abcdefGHIJ",
    "sk_live_0123456789abcdefghij",
    "npm_0123456789abcdefghijABCDEFGHIJ012345",
    "hf_0123456789abcdefghijABCDEFGHIJ01",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9P",
    PEM,
)


@pytest.fixture
def known() -> Iterator[str]:
    masking.know(SECRET)
    yield SECRET
    masking.forget(SECRET)


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize(
    "place", ["{}", "key: {}\n", 'x="{}"', "https://h/?a={}&b", "a,{};", "\t{}"]
)
def test_keys_are_told_by_their_shapes(key: str, place: str) -> None:
    text = place.format(key)
    assert masking.data(text) == place.format(MASK)
    assert key not in masking.data(json.dumps({"said": text}))
    assert json.loads(masking.data(json.dumps({"said": text}))) == {"said": place.format(MASK)}
    assert masking.data(repr(text)) == repr(place.format(MASK))


def test_a_known_secret_is_masked_in_every_spelling(known: str) -> None:
    for text in (known, json.dumps(known), "canary%2FZx81%2Bqpl%207%3D%26", f"a{known}b"):
        assert MASK in masking.data(text)
        assert "Zx81" not in masking.data(text)
    assert masking.known_in(f"x {known}")
    masking.forget(known)
    assert masking.data(known) == known
    masking.know(known)


def test_of_two_secrets_the_longer_is_masked_whole(known: str) -> None:
    masking.know(f"{known}-and-more")
    assert masking.data(f"{known}-and-more") == MASK
    masking.forget(f"{known}-and-more")


def test_each_line_of_a_secret_in_lines_is_masked() -> None:
    masking.know("first-line-0123\nsecond-line-0123\n")
    assert masking.data("second-line-0123, first-line-0123") == f"{MASK}, {MASK}"
    masking.forget("first-line-0123\nsecond-line-0123\n")


@pytest.mark.parametrize(
    "short", ["", "a", "1234567", "postgres", "conductor", "/run/secrets/key1"]
)
def test_what_is_but_a_word_is_left_alone(short: str) -> None:
    masking.know(short)
    assert masking.words(f"the {short} of it") == f"the {short} of it"
    masking.forget(short)


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("postgresql://me:pw@host/db", f"postgresql://me:{MASK}@host/db"),
        ("unix://:p1@/run/redis.sock?db=0", f"unix://:{MASK}@/run/redis.sock?db=0"),
        ("https://a1b2c3d4e5f6a7b8c9d0e1@host/x.git", f"https://{MASK}@host/x.git"),
        ("Authorization: Bearer abc.def", f"Authorization: Bearer {MASK}"),
        ("{'authorization': 'Basic dTpw'}", f"{{'authorization': 'Basic {MASK}'}}"),
        ('"x-api-key": "abc"', f'"x-api-key": "{MASK}"'),
        ("host=db password=hunter2 user=me", f"host=db password={MASK} user=me"),
        ("GET /feed?token=abc&after=3", f"GET /feed?token={MASK}&after=3"),
    ],
)
def test_words_have_no_passwords_of_urls_and_headers(text: str, masked: str) -> None:
    assert masking.words(text) == masked
    assert masking.words(masked) == masked
    assert masking.data(text) == text, "a repository's own files stay as they are"


@pytest.mark.parametrize(
    "text",
    [
        "http://127.0.0.1:3000/api/v1/executions?after=3",
        "git@github.com:owner/name.git",
        "01JD4Z0K3M7Q8R9S0T1V2W3X4Y queued -> active, 3 of 5 tasks",
        "task-list-of-something-rather-long-with-1-digit",
        "sk-estimator-doc-link-label-of-a-page",
        "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        'BEGIN = "-----BEGIN PRIVATE KEY-----"  # what a file starts with',
        "max_tokens: 3000, the token that comes next",
    ],
)
def test_ordinary_text_is_left_alone(text: str) -> None:
    assert masking.words(text) == text


def test_secrets_of_the_environment_are_told_by_their_names() -> None:
    environ = {
        "ANTHROPIC_API_KEY": "canary-anthropic-1",
        "PGPASSWORD": "canary-postgres-1",
        "DATABASE_URL": "postgresql://me:canary-of%2Furl-1@host/db",
        "OTEL_EXPORTER_OTLP_HEADERS": "authorization=Bearer%20canary-header-1,x=canary-header-2",
        "PWD": "/home/canary-directory-1",
        "HOSTNAME": "canary-machine-1",
        "TOKEN_FILE": "canary-name-of-a-file-1",
    }
    masking.know_environment(environ)
    text = " ".join(environ.values()) + " canary-of/url-1"
    told = masking.data(text)
    assert [each for each in told.split() if "canary" in each and "://" not in each] == [
        "/home/canary-directory-1",
        "canary-machine-1",
        "canary-name-of-a-file-1",
    ]
    assert "canary-of" not in told


@dataclass(frozen=True)
class _Said:
    words: str
    count: int = 1


def test_every_text_within_a_value_is_masked(known: str) -> None:
    value = {"a": [known, 1, None], known: (_Said(known), _Said("fine", 2)), "b": {"c": known}}
    assert masking.within(value) == {
        "a": [MASK, 1, None],
        MASK: (_Said(MASK), _Said("fine", 2)),
        "b": {"c": MASK},
    }
    assert masking.within(_Said("fine")) == replace(_Said("fine"))


@pytest.mark.parametrize("key", [*KEYS, SECRET])
@pytest.mark.parametrize("seed", range(8))
def test_a_stream_masks_across_its_pieces(known: str, key: str, seed: int) -> None:
    dice = random.Random(seed)
    text = f"begin {key} middle\nnext line {key}\n" + "x" * dice.randrange(3) + f" {key}"
    stream = masking.Stream()
    told = []
    while text:
        length = dice.randint(1, 9)
        told.append(stream.add(text[:length]))
        text = text[length:]
    told.append(stream.end())
    whole = "".join(told)
    assert whole.count(MASK) == 3
    assert whole.startswith(f"begin {MASK} middle\nnext line {MASK}\n")


def test_a_stream_gives_whole_lines_at_once() -> None:
    stream = masking.Stream()
    assert stream.add("one\ntw") == "one\n"
    assert stream.add("o\n") == "two\n"
    assert stream.end() == ""


@pytest.mark.parametrize("at", [0, 5_000, 8_191, 8_192, 16_383, 16_384, 16_390, 20_000])
def test_a_line_without_an_end_does_not_fill_the_memory(known: str, at: int) -> None:
    text = "x" * at + " " + known + " " + "y" * 40_000
    stream = masking.Stream()
    told = []
    for start in range(0, len(text), 1_000):
        told.append(stream.add(text[start : start + 1_000]))
        assert len(stream._held) <= 20_000
    told.append(stream.end())
    assert "".join(told) == text.replace(known, MASK)


@pytest.mark.parametrize(
    "piece",
    [
        "a",
        "sk-",
        "sk-1",
        "eyJ",
        "eyJa.",
        "://",
        "://a:",
        "token=",
        "\n-----BEGIN RSA PRIVATE KEY-----",
        "Authorization: Bearer ",
        "=",
        "\\n",
    ],
)
def test_no_text_takes_long(piece: str) -> None:
    text = (piece * (1_000_000 // len(piece) + 1))[:1_000_000]
    began = time.process_time()
    masking.words(text)
    assert time.process_time() - began < 2
