"""Whatever path is given and whatever links there are, nothing outside the worktree is touched."""

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from workers.tools.workplace import ToolFault
from workers.tools.worktree_files import read_bytes, write_bytes

PART = st.sampled_from(["a", "b", "link", "..", ".", "", ".git", "outside", "\0", "secret", "é"])
PATH = st.builds(
    lambda lead, parts: lead + "/".join(parts),
    st.sampled_from(["", "/", "./", "../"]),
    st.lists(PART, max_size=6),
)
LINKS = st.dictionaries(st.sampled_from(["link", "a", "b/link"]), PATH, max_size=3)


@settings(max_examples=300, deadline=None)
@given(path=PATH, links=LINKS)
def test_nothing_outside_is_read_or_written(path: str, links: dict[str, str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder)
        root = base / "root"
        (root / "b").mkdir(parents=True)
        (root / ".git").mkdir()
        (base / "outside").mkdir()
        (base / "outside" / "secret").write_bytes(b"secret")
        (base / "secret").write_bytes(b"secret")
        for name, target in links.items():
            if target and "\0" not in target:
                (root / name).symlink_to(target)
        for act in (lambda: read_bytes(root, path), lambda: write_bytes(root, path, b"mine")):
            try:
                assert act() != b"secret"
            except ToolFault:
                continue
        assert (base / "secret").read_bytes() == b"secret"
        assert (base / "outside" / "secret").read_bytes() == b"secret"
        assert sorted(each.name for each in base.iterdir()) == ["outside", "root", "secret"]
        assert sorted(each.name for each in (base / "outside").iterdir()) == ["secret"]
        assert not list((root / ".git").iterdir())
