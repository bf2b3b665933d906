"""What an answer must look like: JSON paths (`items.0.id`) and the rules for what stands there."""

import re
from collections.abc import Mapping
from typing import Any

MISSING = object()
SHOWN = 200

TYPES: Mapping[str, type | tuple[type, ...]] = {
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "array": list,
    "object": dict,
    "null": type(None),
}
RULES = frozenset({"type", "matches", "min_length", "equals", "exists"})


def at(document: Any, path: str) -> Any:
    """What stands at a path such as `items.0.id` (`$` is the whole document), or MISSING."""
    found = document
    for part in path.split(".") if path not in ("", "$") else []:
        if isinstance(found, dict) and part in found:
            found = found[part]
        elif isinstance(found, list) and part.isdecimal() and int(part) < len(found):
            found = found[int(part)]
        else:
            return MISSING
    return found


def problems(document: Any, expected: Mapping[str, Any]) -> list[str]:
    """One sentence for every expectation (path: value or rules) that the document fails."""
    return [
        problem
        for path, rule in expected.items()
        for problem in _problems_at(path, at(document, path), _rules(rule))
    ]


def shown(value: Any) -> str:
    """A value as a person may read it in a message, cut when long."""
    text = "nothing" if value is MISSING else repr(value)
    return text if len(text) <= SHOWN else text[:SHOWN] + "..."


def _rules(rule: Any) -> Mapping[str, Any]:
    """`{type: string}` is a set of rules; anything else is the value that is expected."""
    if isinstance(rule, Mapping) and rule and set(rule) <= RULES:
        return rule
    return {"equals": rule}


def _problems_at(path: str, value: Any, rules: Mapping[str, Any]) -> list[str]:
    if "exists" in rules and (value is not MISSING) != rules["exists"]:
        wanted = "must" if rules["exists"] else "must not"
        return [f"{path} {wanted} be there, found {shown(value)}"]
    rest = {name: wanted for name, wanted in rules.items() if name != "exists"}
    return [
        f"{path} must {_WORDS[name]} {shown(wanted)}, found {shown(value)}"
        for name, wanted in rest.items()
        if value is MISSING or not _MEETS[name](value, wanted)
    ]


def _has_type(value: Any, name: str) -> bool:
    # In Python a boolean is an integer; in JSON it is not.
    if isinstance(value, bool) and name != "boolean":
        return False
    return isinstance(value, TYPES[name])


def _same(value: Any, wanted: Any) -> bool:
    return bool(value == wanted) and isinstance(value, bool) == isinstance(wanted, bool)


_MEETS: Mapping[str, Any] = {
    "type": _has_type,
    "matches": lambda value, pattern: isinstance(value, str) and bool(re.search(pattern, value)),
    "min_length": lambda value, n: isinstance(value, (str, list, dict)) and len(value) >= n,
    "equals": _same,
}
_WORDS: Mapping[str, str] = {
    "type": "have type",
    "matches": "match",
    "min_length": "have a length of at least",
    "equals": "equal",
}
