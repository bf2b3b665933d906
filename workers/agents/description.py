"""What an agent in Python says of itself: in words, by phase; bounded, since people wrote it."""

from typing import Any

from conductor_app import masking
from workers.agents.base import BaseAgent

PHASES = range(10)
# Of each phase, and of a sentence, in characters.
MOST, LENGTH = 50, 200


def told(agent: BaseAgent) -> dict[str, Any]:
    """`title`, `skills` (in every phase) and `capabilities` (the others, by phase)."""
    phases = {phase: _words(agent.get_capabilities(phase)) for phase in PHASES}
    skills = [each for each in phases[0] if all(each in words for words in phases.values())]
    others = {str(n): [each for each in words if each not in skills] for n, words in phases.items()}
    return {
        "title": _word(agent.description),
        "skills": skills,
        "capabilities": {phase: words for phase, words in others.items() if words},
    }


def _words(said: list[str]) -> list[str]:
    return [_word(each) for each in list(said)[:MOST]]


def _word(said: object) -> str:
    return masking.words(str(said))[:LENGTH]
