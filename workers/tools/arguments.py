"""Checks arguments against a tool's JSON schema, as far as `conductor_app.tool_specs` uses it."""

from typing import Any

from conductor_app.tool_specs import Schema, ToolSpec

_TYPES: dict[str, type] = {"string": str, "integer": int, "boolean": bool, "array": list}
_WORDS = {
    "string": "a text",
    "integer": "a whole number",
    "boolean": "true or false",
    "array": "a list",
}


def problems(spec: ToolSpec, arguments: Any) -> list[str]:
    """All that is wrong with the arguments, in words; empty when they can be used."""
    if not isinstance(arguments, dict):
        return ["the arguments must be an object"]
    known = spec.schema["properties"]
    missing = [f"`{name}` is missing" for name in spec.schema["required"] if name not in arguments]
    unknown = [f"`{name}` is not known" for name in arguments if name not in known]
    wrong = [
        f"`{name}` must be {problem}"
        for name, value in arguments.items()
        if name in known and (problem := _problem(known[name], value))
    ]
    return missing + unknown + wrong


def usage(spec: ToolSpec) -> str:
    """What the tool takes, on one line."""
    required = spec.schema["required"]
    return ", ".join(
        f"{name} ({schema['type']}{'' if name in required else ', optional'})"
        for name, schema in spec.schema["properties"].items()
    )


def _problem(schema: Schema, value: Any) -> str | None:
    kind = schema["type"]
    # For Python True is a number, for a model it is not.
    if type(value) is not _TYPES[kind]:
        return _WORDS[kind]
    if "enum" in schema and value not in schema["enum"]:
        return "one of " + ", ".join(schema["enum"])
    if isinstance(value, list):
        return _items_problem(schema, value)
    if isinstance(value, str):
        return _length_problem(schema, len(value))
    if value < schema.get("minimum", value):
        return f"at least {schema['minimum']}"
    if value > schema.get("maximum", value):
        return f"at most {schema['maximum']}"
    return None


def _length_problem(schema: Schema, length: int) -> str | None:
    if length < schema.get("minLength", 0):
        return "longer than nothing"
    if length > schema.get("maxLength", length):
        return f"at most {schema['maxLength']} characters long"
    return None


def _items_problem(schema: Schema, items: list[Any]) -> str | None:
    if len(items) > schema.get("maxItems", len(items)):
        return f"a list of at most {schema['maxItems']}"
    wrong = next((each for item in items if (each := _problem(schema["items"], item))), None)
    return f"a list whose every entry is {wrong}" if wrong else None
