"""Masks secrets in whatever leaves this process: those it knows, and what looks like a key.

Two strengths. `data` is for texts that must stay usable as they are (files, prompts, transcripts,
recordings): known secrets and unmistakable shapes of keys. `words` is for what people read (logs,
rows, events, errors): also passwords in URLs, headers with credentials, `password=...`, and
characters that can't be kept there. Masking what is masked changes nothing, and what is masked in
JSON text stays JSON.
"""

import json
import re
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from functools import cached_property
from mmap import mmap
from typing import Any, TypeVar, cast
from urllib.parse import quote, unquote

from conductor_app.printable import sound

MASK = "[masked]"
# A shorter secret, or one that is but a word, would blacken ordinary text; in URLs, headers and
# assignments it is masked all the same.
_LEAST, _LEAST_OF_WORDS = 8, 12
# No key is longer; a piece of a stream is held back for so many characters at most.
LONGEST = 8_192

# Not within a word; after an escape, as JSON and `repr` have them, it may.
_START = r"(?:(?<![A-Za-z0-9_-])|(?<=\\[nrtbf])|(?<=\\u[0-9A-Fa-f]{4})|(?<=\\x[0-9A-Fa-f]{2}))"
# Whatever stands before it. Its lines may begin with the signs of a difference: of `+` and blanks
# the key itself is made, a `-` is none that begins the last line.
PRIVATE_KEY = (
    r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----(?:\s|\\[nr]){0,4}"
    r"(?:[+ ]?[A-Za-z-]{1,40}: [^\n\\]{0,200}(?:\n|(?:\\r)?\\n)){0,4}"
    r"(?:[A-Za-z0-9+/=\s]|\\[nr]|(?:(?<=\n)|(?<=\\n))-(?!-)){40,}"
    r"(?:-?-----END [A-Z ]{0,40}PRIVATE KEY-----)?"
)
# Quotes in JSON text have backslashes before them, which don't belong to what is quoted.
_QUOTE = r"(?:\\{0,15}[\"'])"
_IS = rf"{_QUOTE}{{0,2}}\s?[:=,]\s?b?{_QUOTE}?"
_VALUE = r"(?:[^\s\"',;\\]|\\[^\s\"'])+()"


@dataclass(frozen=True)
class _Shape:
    """What is masked, and by what."""

    pattern: str
    masked: str = MASK

    @cached_property
    def regex(self) -> re.Pattern[str]:
        """Compiled when it is first needed: short commands print no secret as a rule."""
        return re.compile(self.pattern)


# A shape is looked for where its anchor is, which is found much faster.
_KEYS = (
    (" PRIVATE KEY-----", _Shape(PRIVATE_KEY)),
    *(
        (anchor, _Shape(_START + pattern))
        for anchor, pattern in (
            # Anthropic, OpenAI and others. Without a digit it is a name, as of a CSS class.
            ("sk-", r"sk-(?=[A-Za-z_-]{0,80}[0-9])[A-Za-z0-9_-]{20,}"),
            ("gh", r"gh[pousr]_[A-Za-z0-9]{30,}"),
            ("github_pat_", r"github_pat_[A-Za-z0-9_]{22,}"),
            ("glpat-", r"glpat-[A-Za-z0-9_-]{20,}"),
            ("AKIA", r"AKIA[A-Z0-9]{16}(?![A-Za-z0-9])"),
            ("ASIA", r"ASIA[A-Z0-9]{16}(?![A-Za-z0-9])"),
            ("AIza", r"AIza[A-Za-z0-9_-]{35}"),
            ("xox", r"xox[abeoprs]-[A-Za-z0-9-]{10,}"),
            ("hooks.slack.com/", r"hooks\.slack\.com/services/[A-Za-z0-9/_-]{20,}"),
            ("_live_", r"[rs]k_live_[A-Za-z0-9]{16,}"),
            ("npm_", r"npm_[A-Za-z0-9]{36}"),
            ("pypi-", r"pypi-[A-Za-z0-9_-]{50,}"),
            ("hf_", r"hf_[A-Za-z0-9]{30,}"),
            ("eyJ", r"eyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}"),
        )
    ),
)
_IN_WORDS = tuple(
    (anchor, _Shape(pattern, rf"\1{MASK}\2"))
    for anchors, pattern in (
        (("://",), r"(://[^\s/@:\"']{0,256}:)[^\s/@\"']{1,1024}(@)"),
        (("://",), r"(://)[^\s/@:\"']{20,1024}(@)"),
        (
            ("uthorization", "UTHORIZATION"),
            rf"(?i)(authorization{_IS}(?:bearer|basic|token)\s){_VALUE}",
        ),
        (("-api-key", "-Api-Key", "-API-KEY"), rf"(?i)(x-api-key{_IS}){_VALUE}"),
        (
            ("=",),
            rf"(?i)((?:password|passwd|passphrase|secret|token|api_?key)={_QUOTE}?)"
            r"(?:[^\s&\"',;)\\]|\\[^\s\"'])+()",
        ),
    )
    for anchor in anchors
)
_BEGUN = "-----BEGIN "
_NAME = (
    r"(?:KEY|TOKEN|SECRET|PASSW(?:OR)?D|PASSPHRASE|CREDENTIALS?|JWT)(?:_[A-Z0-9]+)?$"
    r"|(?:_PASS|_PWD|_AUTH)$"
)
_NAME_OF_A_PLACE = r"_(?:FILE|PATH|DIR|SOCK|URL|ID|NAME)$"
_PASSWORD_IN_URL = r"://[^\s/@:]*:([^\s/@]+)@"

T = TypeVar("T")


class _Known:
    """The secrets of this process, longest first, so that none is masked in parts."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._secrets: dict[str, int] = {}
        self.needles: tuple[str, ...] = ()

    def add(self, secret: str) -> None:
        with self._lock:
            for form in _forms(secret):
                self._secrets[form] = self._secrets.get(form, 0) + 1
            self._sort()

    def remove(self, secret: str) -> None:
        with self._lock:
            for form in _forms(secret):
                left = self._secrets.pop(form, 1) - 1
                if left:
                    self._secrets[form] = left
            self._sort()

    def _sort(self) -> None:
        self.needles = tuple(sorted(self._secrets, key=len, reverse=True))


_known = _Known()


def know(secret: str) -> None:
    """From now on this secret is masked, as it is and as URLs and JSON write it."""
    _known.add(secret)


def forget(secret: str) -> None:
    """It opens nothing any more; to be called once for each time that it was made known."""
    _known.remove(secret)


def know_url(url: str | None) -> None:
    """The password in a URL."""
    for password in re.findall(_PASSWORD_IN_URL, url or ""):
        know(unquote(password))


def know_environment(environ: Mapping[str, str]) -> None:
    """The secrets among variables, told by their names, and the passwords in their URLs."""
    for name, value in environ.items():
        know_url(value)
        if name.endswith("_HEADERS"):
            # As OTEL_EXPORTER_OTLP_HEADERS: name=value,name=value
            for header in value.split(","):
                know(unquote(header.partition("=")[2]).split(" ")[-1])
        elif _is_of_a_secret(name.upper()):
            know(value)


def known(text: str) -> str:
    """The text without secrets of this process."""
    for needle in _known.needles:
        text = text.replace(needle, MASK)
    return text


def data(text: str) -> str:
    """The same without what can only be a key as well."""
    text = known(text)
    for anchor, shape in _KEYS:
        if anchor in text:
            text = shape.regex.sub(shape.masked, text)
    return text


def data_in_lines(text: str) -> str:
    """The same with as many lines as before, for who shows some of them by their numbers."""
    known_in_lines = (re.escape(each) for each in _known.needles if "\n" in each)
    secrets = re.compile("|".join((PRIVATE_KEY, *known_in_lines)))
    return data(secrets.sub(lambda found: "\n".join([MASK] * len(found[0].split("\n"))), text))


def words(text: str) -> str:
    """The same without passwords in URLs, headers with credentials and `password=...`; sound."""
    text = data(sound(text))
    for anchor, shape in _IN_WORDS:
        if anchor in text:
            text = shape.regex.sub(shape.masked, text)
    return text


def tail(text: str, length: int) -> str:
    """The end of the text for people to read; cut before, half a secret would not be known."""
    return words(text)[-length:]


def known_in_bytes(data: bytes | mmap) -> bool:
    """The same of a file's content."""
    return any(data.find(needle.encode()) >= 0 for needle in _known.needles)


def known_in(text: str) -> bool:
    """Whether a secret of this process is in the text."""
    return any(needle in text for needle in _known.needles)


def within(value: T, mask: Callable[[str], str] = words) -> T:
    """The value with every text in it masked: of mappings, sequences and dataclasses."""
    return cast(T, _within(value, mask))


def _within(value: Any, mask: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        masked = mask(value)
        # An enumeration's member stays one.
        return value if masked == value else masked
    if isinstance(value, Mapping):
        return {_within(key, mask): _within(each, mask) for key, each in value.items()}
    if isinstance(value, list):
        return [_within(each, mask) for each in value]
    if isinstance(value, tuple):
        return tuple(_within(each, mask) for each in value)
    if is_dataclass(value) and not isinstance(value, type):
        had = {field.name: getattr(value, field.name) for field in fields(value) if field.init}
        new = {name: _within(each, mask) for name, each in had.items()}
        return replace(value, **{name: new[name] for name in had if new[name] != had[name]})
    return value


class Stream:
    """Masks a text that comes in pieces, also a secret that is spread over several of them.

    Whole lines are given out at once; of a line without an end only what no secret can reach into.
    """

    def __init__(self, mask: Callable[[str], str] = words) -> None:
        self._mask = mask
        self._held = ""

    def add(self, piece: str) -> str:
        """What can be given out now."""
        self._held += piece
        cut = self._held.rfind("\n") + 1
        begun = self._held.rfind(_BEGUN, 0, cut)
        if begun >= 0 and "-----END" not in self._held[begun:cut] and cut - begun < LONGEST:
            # A private key has many lines.
            cut = begun
        if len(self._held) - cut > 2 * LONGEST:
            cut = self._border(len(self._held) - LONGEST)
        ready, self._held = self._held[:cut], self._held[cut:]
        return self._mask(ready) if ready else ""

    def end(self) -> str:
        """The rest."""
        rest, self._held = self._held, ""
        return self._mask(rest)

    def _border(self, near: int) -> int:
        """Where a very long line can be cut: the place before at which nothing masked is cut."""
        spans = [match.span() for _, shape in _KEYS for match in shape.regex.finditer(self._held)]
        for needle in _known.needles:
            at = self._held.find(needle, max(0, near - len(needle)))
            if at >= 0:
                spans.append((at, at + len(needle)))
        reaching = (begin for begin, end in spans if begin < near < end)
        return min(reaching, default=near) or near


def _is_of_a_secret(name: str) -> bool:
    return bool(re.search(_NAME, name)) and not re.search(_NAME_OF_A_PLACE, name)


def _forms(secret: str) -> Iterable[str]:
    """How it may be written; of one in lines, such as a private key, each line as well."""
    for line in {secret.strip(), *(line.strip() for line in secret.splitlines())}:
        if _tellable(line):
            yield line
            yield from {quote(line, safe=""), *_in_json(line)} - {line}


def _in_json(text: str) -> Iterable[str]:
    return (json.dumps(text, ensure_ascii=ascii_only)[1:-1] for ascii_only in (True, False))


def _tellable(text: str) -> bool:
    """Whether it can't be taken for anything else."""
    if text.startswith(("/", "~", "-----")) or MASK in text:
        return False
    mixed = any(each.isdigit() for each in text) and any(each.isalpha() for each in text)
    return len(text) >= (_LEAST if mixed else _LEAST_OF_WORDS)
