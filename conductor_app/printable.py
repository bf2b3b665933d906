"""Text of agents, commands and repositories, made harmless for terminals, logs and databases."""

import re

# What moves a cursor, rings, hides or turns text round: C0 and C1 controls, then bidi controls.
_CONTROLS = (*range(0x20), *range(0x7F, 0xA0), *range(0x202A, 0x202F), *range(0x2066, 0x206A))
_SHOWN = {code: ascii(chr(code))[1:-1] for code in _CONTROLS}
_SHOWN_IN_BLOCKS = {code: shown for code, shown in _SHOWN.items() if chr(code) not in "\n\t"}
# PostgreSQL and command lines take no NUL, and UTF-8 has no halves of surrogate pairs.
_UNSOUND = re.compile("[\0\ud800-\udfff]")


def printable_line(text: str) -> str:
    """One line of it: control characters are shown as in Python's source, line ends too."""
    return text.translate(_SHOWN)


def printable(text: str) -> str:
    """The same for text of several lines, which stay lines; tabs stay too."""
    return text.translate(_SHOWN_IN_BLOCKS)


def sound(text: str) -> str:
    """The same with U+FFFD for each character that no database or command line takes."""
    return _UNSOUND.sub("\ufffd", text)
