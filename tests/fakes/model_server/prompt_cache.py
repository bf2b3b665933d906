"""A prefix cache that counts truthfully: what a request shares with earlier ones of its key."""

import json
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

BYTES_PER_TOKEN = 4
# Shorter prefixes are not kept, by any provider here.
MINIMUM_TOKENS = 1024
# A breakpoint finds what was kept at most so many blocks before it.
LOOKBACK = 20
# So finely (in tokens) a beginning is known where it may end anywhere.
FINELY = 16
MINUTES_5 = 300.0
HOUR = 3600.0


def tokens_in(data: bytes | str) -> int:
    """Tokens by the rule of this server: four bytes each, rounded up."""
    size = len(data.encode()) if isinstance(data, str) else len(data)
    return -(-size // BYTES_PER_TOKEN)


def dumped(value: Any) -> bytes:
    """JSON in the order that was sent: another order of keys is another prefix."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


@dataclass(frozen=True)
class Segment:
    """One block of a request, in the prefix's order; `ttl` in seconds makes it a breakpoint."""

    data: bytes
    ttl: float | None = None


@dataclass(frozen=True)
class Input:
    """The tokens of a request's input: all of them, and which were read or written."""

    total: int
    read: int = 0
    write_5m: int = 0
    write_1h: int = 0

    @property
    def written(self) -> int:
        return self.write_5m + self.write_1h

    @property
    def uncached(self) -> int:
        return self.total - self.read - self.written


@dataclass
class Kept:
    expires: float
    ttl: float


@dataclass(frozen=True)
class Prefix:
    """A beginning of a request: its fingerprint, its length in tokens."""

    digest: bytes
    tokens: int


def prefixes_of(segments: Sequence[Segment]) -> list[Prefix]:
    running = blake2b(digest_size=16)
    tokens = 0
    found = []
    for segment in segments:
        running.update(len(segment.data).to_bytes(8) + segment.data)
        tokens += tokens_in(segment.data)
        found.append(Prefix(running.digest(), tokens))
    return found


def finely(segments: Sequence[Segment]) -> list[Segment]:
    """The same input in small pieces: a block may be known in part."""
    size = FINELY * BYTES_PER_TOKEN
    return [
        Segment(segment.data[start : start + size])
        for segment in segments
        for start in range(0, len(segment.data), size)
    ]


class PrefixCache:
    """What was kept, by account (key, model) and prefix; not safe to be used by two threads."""

    def __init__(self, clock: Callable[[], float], minimum: int = MINIMUM_TOKENS) -> None:
        self._clock = clock
        self.minimum = minimum
        self._kept: dict[tuple[Hashable, bytes], Kept] = {}

    def at_breakpoints(self, account: Hashable, segments: Sequence[Segment]) -> Input:
        """Anthropic's way: kept, paid for and found at breakpoints only."""
        prefixes = prefixes_of(segments)
        breakpoints = [index for index, segment in enumerate(segments) if segment.ttl]
        hit = self._hit_behind(account, prefixes, breakpoints)
        read = position = prefixes[hit].tokens if hit is not None else 0
        written = {MINUTES_5: 0, HOUR: 0}
        for index in breakpoints:
            prefix, ttl = prefixes[index], segments[index].ttl or MINUTES_5
            if prefix.tokens < self.minimum:
                continue
            if prefix.tokens > position:
                written[ttl] += prefix.tokens - position
                position = prefix.tokens
            self._keep(account, prefix, ttl)
        total = prefixes[-1].tokens if prefixes else 0
        return Input(total, read, written[MINUTES_5], written[HOUR])

    def automatic(
        self, account: Hashable, segments: Sequence[Segment], unit: int, paid_writes: bool
    ) -> Input:
        """OpenAI's and DeepSeek's way: the longest known beginning, in whole units of tokens."""
        prefixes = prefixes_of(finely(segments))
        hit = self._longest(account, prefixes)
        read = prefixes[hit].tokens // unit * unit if hit is not None else 0
        total = prefixes[-1].tokens if prefixes else 0
        kept = [prefix for prefix in prefixes if prefix.tokens >= self.minimum]
        for prefix in kept:
            self._keep(account, prefix, HOUR / 2)
        written = total // unit * unit - read if paid_writes and kept else 0
        return Input(total, read, written)

    def _hit_behind(
        self, account: Hashable, prefixes: Sequence[Prefix], breakpoints: Sequence[int]
    ) -> int | None:
        for end in reversed(breakpoints):
            for index in range(end, max(end - LOOKBACK, -1), -1):
                if self._alive(account, prefixes[index]):
                    return index
        return None

    def _longest(self, account: Hashable, prefixes: Sequence[Prefix]) -> int | None:
        for index in range(len(prefixes) - 1, -1, -1):
            if self._alive(account, prefixes[index]):
                return index
        return None

    def _alive(self, account: Hashable, prefix: Prefix) -> bool:
        """Whether this beginning is kept; being read prolongs its life."""
        kept = self._kept.get((account, prefix.digest))
        if kept is None or kept.expires <= self._clock():
            return False
        kept.expires = self._clock() + kept.ttl
        return True

    def _keep(self, account: Hashable, prefix: Prefix, ttl: float) -> None:
        self._kept[account, prefix.digest] = Kept(self._clock() + ttl, ttl)
