"""Programs that print text for people; of aider's, also what it says of tokens and cost."""

import re
from collections import deque

from workers.connectors.programs.report import HELD, MOST_TOKENS, Report, in_nano_usd
from workers.turns import Usage

# How many of its last lines are a program's summary.
LAST_LINES = 5

_AMOUNT = r"\d+(?:\.\d+)?[kM]?"
_COUNTS = re.compile(rf"^Tokens: (?P<sent>{_AMOUNT}) sent.*?(?P<received>{_AMOUNT}) received")
_READ = re.compile(rf"(?P<read>{_AMOUNT}) cache hit")
_WRITTEN = re.compile(rf"(?P<written>{_AMOUNT}) cache write")
_COST = re.compile(r"Cost: \$[\d.]+ message, \$(?P<session>\d+(?:\.\d+)?) session")
_FACTORS = {"k": 1_000, "M": 1_000_000}


# Bytes that were no UTF-8, and control characters that move no cursor and give no colour.
_NO_TEXT = re.compile(r"[\ufffd\x00-\x06\x0e-\x1a\x1c-\x1f\x7f-\x9f]")
# From what part of its characters on a line is none of text: a few go wrong in many a program.
GARBLED = 0.3


class Plain:
    """Every line is a line of the log, the last ones are the summary; it is never at its end."""

    def __init__(self) -> None:
        self.report = Report(ended=True)
        self._last: deque[str] = deque(maxlen=LAST_LINES)
        # Characters in lines of text, and in others.
        self._read = self._unread = 0

    def read(self, line: str) -> str | None:
        if not line.strip():
            return None
        if not self._is_text(line):
            return None
        self._last.append(line.strip()[-HELD:])
        self.report.summary = "\n".join(self._last)
        return line

    def _is_text(self, line: str) -> bool:
        """Whether a person can read it; the report says what holds of most."""
        strange = len(_NO_TEXT.findall(line)) > GARBLED * len(line)
        self._unread += strange * len(line)
        self._read += (not strange) * len(line)
        self.report.strange += strange
        self.report.garbled = self._unread > self._read
        return not strange


class Aider(Plain):
    """Says after each answer, rounded, how many tokens it took and what all of them cost."""

    def __init__(self) -> None:
        super().__init__()
        self._told = True

    def read(self, line: str) -> str | None:
        if counts := _COUNTS.search(line):
            self.report.turns += 1
            self._used(line, counts)
        if cost := _COST.search(line):
            self.report.cost_nano_usd = in_nano_usd(float(cost["session"]))
        return super().read(line)

    def _used(self, line: str, counts: re.Match[str]) -> None:
        sent, received = _number(counts["sent"]), _number(counts["received"])
        read, written = _READ.search(line), _WRITTEN.search(line)
        # What one answer does not tell was not free: then all of them are not known.
        self._told = self._told and sent is not None and received is not None
        used = Usage(
            input_tokens=sent or 0,
            output_tokens=received or 0,
            cache_read_tokens=(read and _number(read["read"])) or 0,
            cache_write_tokens=(written and _number(written["written"])) or 0,
        )
        self.report.usage = (self.report.usage or Usage()) + used if self._told else None


def _number(text: str) -> int | None:
    """None for more than there can be."""
    number = float(text.rstrip("kM")) * _FACTORS.get(text[-1], 1)
    return round(number) if number <= MOST_TOKENS else None
