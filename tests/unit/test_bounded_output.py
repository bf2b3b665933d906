"""Output held within its limit: what came first, what came last, and how much is missing."""

from hypothesis import given
from hypothesis import strategies as st

from workers.sandbox.output import BoundedOutput


@given(st.lists(st.binary(max_size=50), max_size=30), st.integers(min_value=2, max_value=60))
def test_head_and_tail_are_those_of_the_whole(chunks: list[bytes], limit: int) -> None:
    output = BoundedOutput(limit)
    for chunk in chunks:
        output.add(chunk)
    whole = b"".join(chunks)
    half = limit // 2
    assert output.truncated == (len(whole) > 2 * half)
    if not output.truncated:
        assert output.text() == whole.decode("utf-8", "replace")
        return
    head, _, tail = output.text().partition(f"\n[... {output.elided} bytes left out here ...]\n")
    assert output.elided == len(whole) - 2 * half
    assert head == whole[:half].decode("utf-8", "replace")
    assert tail == whole[-half:].decode("utf-8", "replace")


def test_no_more_is_held_than_the_limit() -> None:
    output = BoundedOutput(1000)
    for _ in range(100):
        output.add(b"x" * 65536)
    assert len(output.text()) < 1100
