"""Private keys are masked as a whole, in differences too, and without a line too many."""

import json
import time

import pytest

from conductor_app import masking
from conductor_app.masking import MASK

BODY = ["MIIEowIBAAKCAQEA0Z3VS5JJcds3xfn/ygWyF8PbnGy0AHB7MaXkYyLkTQm"] * 6
PLAIN = ["-----BEGIN PRIVATE KEY-----", *BODY, "-----END PRIVATE KEY-----"]
OPENSSL = [
    "-----BEGIN RSA PRIVATE KEY-----",
    *("Proc-Type: 4,ENCRYPTED", "DEK-Info: AES-128-CBC,0123456789ABCDEF", "", *BODY),
    "-----END RSA PRIVATE KEY-----",
]


def difference(lines: list[str], sign: str, end: str = "\n") -> str:
    rest = [f"{sign}after: it", " and more", ""]
    return end.join(["@@ -1,8 +0,0 @@", *(f"{sign}{line}" for line in lines), *rest])


@pytest.mark.parametrize("sign", ["-", "+", " "])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("lines", [PLAIN, OPENSSL])
def test_a_key_in_a_difference_is_masked(lines: list[str], sign: str, end: str) -> None:
    text = difference(lines, sign, end)
    masked = end.join(["@@ -1,8 +0,0 @@", f"{sign}{MASK}", f"{sign}after: it", " and more", ""])
    assert masking.data(text) == masked
    assert json.loads(masking.data(json.dumps({"said": text}))) == {"said": masked}
    assert masking.data(repr(text)) == repr(masked)


@pytest.mark.parametrize("sign", ["-", "+", " "])
@pytest.mark.parametrize("length", [1, 7, 40, 1_000])
def test_a_stream_holds_it_back(sign: str, length: int) -> None:
    text = difference(PLAIN, sign)
    stream = masking.Stream()
    told = [stream.add(text[at : at + length]) for at in range(0, len(text), length)]
    assert "".join([*told, stream.end()]) == masking.data(text)
    assert BODY[0] not in "".join(told)


@pytest.mark.parametrize(
    "text",
    [
        "-----BEGIN PRIVATE KEY-----\n--------------------------------------------------\n",
        "-----BEGIN PRIVATE KEY-----\n- a: b\n- c: d\n- e: f\n- g: h\n- i: j\n- k: l\n- m: n\n",
        "-----BEGIN CERTIFICATE-----\n-MIIEowIBAAKCAQEA0Z3VS5JJcds3xfn/ygWyF8PbnGy0AHB7MaX\n",
    ],
)
def test_what_is_no_key_is_left_alone(text: str) -> None:
    assert masking.words(text) == text
    assert masking.data_in_lines(text) == text


@pytest.mark.parametrize("piece", ["\n-a", "\\n-a", "\n------BEGIN PRIVATE KEY-----", "-", "\n-\n"])
def test_none_takes_long(piece: str) -> None:
    text = "-----BEGIN PRIVATE KEY-----" + piece * (1_000_000 // len(piece))
    began = time.process_time()
    masking.words(text)
    masking.data_in_lines(text)
    assert time.process_time() - began < 2


@pytest.mark.parametrize("lines", [PLAIN, OPENSSL, PLAIN[:-1]])
def test_lines_stay_where_they_are(lines: list[str]) -> None:
    text = "\n".join(["one: 1", *lines, "a: 2", *lines, "b: 3", ""])
    masks = [MASK] * len(lines)
    shown = masking.data_in_lines(text).split("\n")
    if lines[-1].startswith("-----END"):
        assert shown == ["one: 1", *masks, "a: 2", *masks, "b: 3", ""]
    assert [shown.index("one: 1"), len(shown)] == [0, text.count("\n") + 1]
    assert BODY[0] not in "\n".join(shown)


def test_so_do_those_after_a_known_secret_in_lines() -> None:
    masking.know("first-line-0123\nab\nsecond-line-0123")
    text = "1\nfirst-line-0123\nab\nsecond-line-0123\n5"
    assert masking.data_in_lines(text) == f"1\n{MASK}\n{MASK}\n{MASK}\n5"
