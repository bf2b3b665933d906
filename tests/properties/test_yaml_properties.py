"""What holds for every YAML text: data survives, parts have places, only Unreadable escapes."""

from typing import Any

import yaml
from hypothesis import given
from hypothesis import strategies as st

from conductor_app.workflows.positions import Unreadable, read

words = st.text(st.characters(codec="ascii", categories=["L", "N", "P", "Zs"]), max_size=8)
scalars = st.none() | st.booleans() | st.integers(-(10**17), 10**17) | words
keys = st.from_regex(r"[a-z]{1,6}", fullmatch=True)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4)
)


def paths(data: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    items = enumerate(data) if isinstance(data, list) else []
    items = data.items() if isinstance(data, dict) else items
    return [path, *(p for key, value in items for p in paths(value, (*path, key)))]


@given(values)
def test_what_was_written_is_read_and_every_part_has_a_place(data: Any) -> None:
    class Plain(yaml.SafeDumper):
        def ignore_aliases(self, data: Any) -> bool:
            return True

    text = yaml.dump(data, Dumper=Plain)
    document = read(text)
    assert document.data == data
    lines = text.splitlines()
    for path in paths(data):
        assert 1 <= document.position(path).line <= len(lines)
        assert path in document.positions


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused_with_a_place(text: str) -> None:
    try:
        read(text)
    except Unreadable as error:
        assert error.message
        assert error.position.line >= 1
        assert error.position.column >= 1
