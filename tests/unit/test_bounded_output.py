"""Output held within its limit: what came first, what came last, and how much is missing."""

from hypothesis import given
from hypothesis import strategies as st

from workers.sandbox.output import BoundedOutput

WORDS = st.text("xyé ", max_size=50).map(str.encode)


@given(st.lists(WORDS, max_size=30), st.integers(min_value=2, max_value=60))
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
    head, tail = whole[:half], whole[-half:]
    head = head[: head.rindex(b" ") + 1] if b" " in head else head[: half - half // 2]
    tail = tail[tail.index(b" ") :] if b" " in tail else tail[half // 2 :]
    between = f"\n[... {len(whole) - len(head) - len(tail)} bytes left out here ...]\n"
    told = (head.decode("utf-8", "replace"), tail.decode("utf-8", "replace"))
    assert output.text() == between.join(told)


def test_no_more_is_held_than_the_limit() -> None:
    output = BoundedOutput(1000)
    for _ in range(100):
        output.add(b"x" * 65536)
    assert len(output.text()) < 1100


@given(st.integers(min_value=0, max_value=60))
def test_no_half_of_a_secret_is_shown(place: int) -> None:
    """Nobody would know any more that it is one."""
    output = BoundedOutput(80)
    output.add(b"x" * place + b" canary-secret ")
    output.add(b"y" * 500 + b" secret-canary " + b"z" * place)
    words = output.text().split()
    assert not [word for word in words if "ry" in word and len(word) != len("canary-secret")]
    assert not [word for word in words if "se" in word and len(word) != len("canary-secret")]


def test_nor_where_there_is_no_space_near() -> None:
    output = BoundedOutput(20_000)
    output.add(b"x" * 9_990 + b"sk-ant-secret" + b"y" * 30_000 + b"sk-ant-secret" + b"z" * 9_990)
    assert "sk-" not in output.text() and "ret" not in output.text()
