"""The limits that a provider enforces by itself: requests and tokens a minute, and spending."""

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from tests.fakes.model_server.faults import Fault, rate_limited, spend_limited

MINUTE = 60.0


class Window:
    """What was used in the last minute; not safe to be used by two threads."""

    def __init__(self, limit: int, clock: Callable[[], float]) -> None:
        self.limit = limit
        self._clock = clock
        self._uses: deque[tuple[float, int]] = deque()
        self._used = 0

    @property
    def remaining(self) -> int:
        oldest_that_counts = self._clock() - MINUTE
        while self._uses and self._uses[0][0] <= oldest_that_counts:
            self._used -= self._uses.popleft()[1]
        return max(self.limit - self._used, 0)

    def use(self, amount: int) -> None:
        self._uses.append((self._clock(), amount))
        self._used += amount

    def wait(self, amount: int) -> float:
        """Seconds until `amount` fits, or until all is free where it never would; 0 = now."""
        missing = amount - self.remaining
        freed = 0
        for at, used in self._uses:
            if freed >= missing:
                break
            freed += used
            last = at
        return max(last + MINUTE - self._clock(), 0.001) if missing > 0 and self._uses else 0.0


@dataclass(frozen=True)
class Standing:
    """One limit as response headers tell it; `reset` in seconds from now."""

    limit: int
    remaining: int
    reset: float


class Limits:
    """May be tightened at any time: `requests.limit`, `tokens.limit`, `spend_nano_usd`."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.requests = Window(1_000_000, clock)
        self.tokens = Window(1_000_000_000, clock)
        self.spend_nano_usd: int | None = None

    def admit(self, tokens: int, spent_nano_usd: int) -> Fault | None:
        """Count a request of so many input tokens, or say why it is turned away."""
        if self.spend_nano_usd is not None and spent_nano_usd >= self.spend_nano_usd:
            return spend_limited()
        wait = max(self.requests.wait(1), self.tokens.wait(tokens))
        if wait:
            return rate_limited(math.ceil(wait))
        self.requests.use(1)
        self.tokens.use(tokens)
        return None

    def standing(self) -> dict[str, Standing]:
        return {
            name: Standing(window.limit, window.remaining, window.wait(window.limit))
            for name, window in (("requests", self.requests), ("tokens", self.tokens))
        }
