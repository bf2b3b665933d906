"""What a program printed at its end, as a failure shows it: masked, short, a sentence."""

from conductor_app import masking
from conductor_app.printable import printable_line
from workers.sandbox import CommandResult

# How much of a program's output a failure shows, and how much of it its sentence.
TAIL = 2_000
LAST_LINES, LAST_CHARACTERS = 3, 400
# How a line begins that is for the program's parser.
_EVENT = '{"type":'


def tail(result: CommandResult) -> str:
    return masking.tail(result.output, TAIL)


def last_words(result: CommandResult, lines: int = LAST_LINES) -> str:
    """Of its last lines for people, as a sentence; empty when it has printed none."""
    printed = [line.strip() for line in masking.words(result.output).splitlines()]
    read = [line for line in printed if line and not line.startswith(_EVENT)]
    last = printable_line(" / ".join(read[-lines:]))
    return _sentence(last[-LAST_CHARACTERS:]) if last else ""


def short(said: str) -> str:
    return _sentence(" ".join(masking.words(said).split())[:LAST_CHARACTERS])


def _sentence(plain: str) -> str:
    return plain if plain.endswith((".", "!", "?")) else f"{plain}."
