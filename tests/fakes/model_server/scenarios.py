"""What the models of this server say: by name, or from a list of turns."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from tests.fakes.model_server.program_tools import adapted
from tests.fakes.model_server.replies import Ask, Call, Reply, Script, says

TEN_MEGABYTES = 10_000_000
PROSE = "I would first read the code, then change it, and then run the tests."
# Words of a verdict, by whether they are favourable.
WORDS = {
    True: ("pass", "passed", "approve", "approved", "accept", "accepted", "ok", "yes", "done"),
    False: ("fail", "failed", "reject", "rejected", "changes", "request_changes", "no", "revise"),
}
# Almost nothing, in every provider's words.
FALSE_USAGE = {
    "input_tokens": 1,
    "output_tokens": 1,
    "prompt_tokens": 1,
    "completion_tokens": 1,
    "total_tokens": 2,
    "cache_creation_input_tokens": 0,
    "cache_read_input_tokens": 0,
}


def scripted(*turns: Reply) -> Script:
    """One turn after the other by the conversation's own count; then nothing but a last word.

    Calls have the names of Conductor's tools; programs that offer a shell instead are told shell
    commands to the same effect.
    """

    def script(ask: Ask) -> Reply:
        turn = turns[ask.turn - 1] if ask.turn <= len(turns) else says("That is all.")
        return adapted(turn, ask)

    return script


def always(reply: Reply) -> Script:
    return lambda ask: adapted(reply, ask)


def echo(ask: Ask) -> Reply:
    return says(ask.said)


def verdicts(*answers: bool | Mapping[str, Any]) -> Script:
    """One verdict for each request to the address, the last one for all that follow.

    True and False fill in the schema that the request asks for, favourably or not.
    """

    def script(ask: Ask) -> Reply:
        answer = answers[min(ask.number, len(answers)) - 1]
        name, schema = _wanted(ask)
        value = filled(schema, answer) if isinstance(answer, bool) else dict(answer)
        return says("", (name, value)) if name else says(json.dumps(value))

    return script


def _wanted(ask: Ask) -> tuple[str | None, Mapping[str, Any]]:
    """The tool that takes the verdict, if it is one, and the verdict's schema."""
    if ask.schema:
        return None, ask.schema
    named = [name for name in ask.tools if "verdict" in name]
    name = ask.forced or (named[0] if named else None)
    if name:
        return name, ask.tools[name]
    return None, {"properties": {"verdict": {"enum": ["pass", "fail"]}, "reason": {}}}


def filled(schema: Mapping[str, Any], favourable: bool) -> Any:
    """A value that the schema allows."""
    if "enum" in schema:
        fitting = [word for word in schema["enum"] if str(word).lower() in WORDS[favourable]]
        return (fitting or schema["enum"])[0]
    kind = schema.get("type", "object" if "properties" in schema else "string")
    if kind == "object":
        properties = schema.get("properties") or {}
        return {name: filled(part, favourable) for name, part in properties.items()}
    if kind == "array":
        return [] if favourable else [filled(schema.get("items") or {}, favourable)]
    if kind == "boolean":
        return favourable
    if kind in ("integer", "number"):
        return schema.get("maximum", 10) if favourable else schema.get("minimum", 0)
    return "As it was asked for." if favourable else "A part of what was asked for is missing."


def turns_of(listed: Sequence[Mapping[str, Any]]) -> list[Reply]:
    """Turns as JSON has them: `text`, `thinking`, `calls` as [tool, arguments]."""
    return [
        says(
            turn.get("text", ""),
            *((name, arguments) for name, arguments in turn.get("calls", ())),
            thinking=turn.get("thinking", ""),
        )
        for turn in listed
    ]


CHANGE = scripted(
    says("I look at what there is.", ("list_dir", {"path": "."}), thinking="Where to begin?"),
    says(
        "I write the file.",
        ("write_file", {"path": "greeting.py", "content": 'GREETING = "hello"\n'}),
    ),
    says("I try it.", ("run_command", {"command": "python3 -c 'import greeting'"})),
    says("", ("finish", {"summary": "greeting.py says hello."})),
)
CUT_CALL = Call("write_file", '{"path": "greeting.py", "content": "GREET')

BUILT_IN: Mapping[str, Script] = {
    "change": CHANGE,
    "echo": echo,
    "verdict-pass": verdicts(True),
    "verdict-fail": verdicts(False),
    "verdict-fail-once": verdicts(False, True),
    "loop": always(says("I look again.", ("list_dir", {"path": "."}))),
    "prose": always(says(PROSE)),
    "broken-arguments": always(says("", ("read_file", '{"path": oops}'))),
    "unknown-tool": always(says("", ("teleport", {"to": "production"}))),
    "huge": always(replace(says("x" * TEN_MEGABYTES), unlimited=True)),
    "empty": always(says()),
    "refusal": always(Reply(stop="refused")),
    "cut": always(Reply("I write the file.", (CUT_CALL,), stop="cut")),
    "false-usage": always(replace(says(PROSE), false_usage=FALSE_USAGE)),
}
