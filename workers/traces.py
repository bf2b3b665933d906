"""Tracebacks for the authors of agents: from their own code on, and not endless."""

import traceback
from types import TracebackType

# The innermost frames that are shown, and the longest traceback, in characters.
FRAMES = 30
LENGTH = 8_000
# The longest sentence.
WORDS = 2_000
# Where Conductor hands over to the agent.
ENTRY = "perform_task"


def told(problem: BaseException) -> str:
    """The traceback as Python words it, without the frames before the agent's own."""
    own = _from_entry(problem.__traceback__)
    lines = traceback.format_exception(type(problem), problem, own, limit=-FRAMES)
    text = "".join(lines).rstrip()
    return text if len(text) <= LENGTH else f"... {text[-LENGTH:]}"


def summary(problem: BaseException) -> str:
    """Its type and its words; an exception that can't word itself does no harm."""
    try:
        words = f"{type(problem).__name__}: {problem}"
    except Exception:
        return type(problem).__name__
    return words if len(words) <= WORDS else f"{words[:WORDS]} ..."


def _from_entry(frames: TracebackType | None) -> TracebackType | None:
    """All of it where the agent was not reached, as when it could not be made."""
    frame = frames
    while frame is not None:
        if frame.tb_frame.f_code.co_name == ENTRY:
            return frame
        frame = frame.tb_next
    return frames
