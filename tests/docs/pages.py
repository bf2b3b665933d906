"""The pages that strangers read: their generated parts, code blocks, tables, headings and links."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
# What stands between is made by the function of that name in tests/docs/generated.py.
PART = re.compile(
    r"(<!-- generated: (?P<name>[a-z-]+) -->\n).*?(<!-- end of generated -->)", re.DOTALL
)
BLOCK = re.compile(r"^```(?P<language>[\w-]*)\n(?P<text>.*?)^```$", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"(?<!!)\[[^\]]+\]\((?P<target>[^)\s]+)\)")
HEADING = re.compile(r"^(?P<level>#+) (?P<words>.+)$", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """A fenced piece of a page."""

    page: Path
    language: str
    text: str


def all_pages() -> list[Path]:
    return [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]


def filled(text: str, parts: Mapping[str, Callable[[], str]]) -> str:
    """The page with every generated part made anew; raises KeyError for a name without one."""

    def fill(found: re.Match[str]) -> str:
        return f"{found[1]}\n{parts[found['name']]().strip()}\n\n{found[3]}"

    return PART.sub(fill, text)


def blocks(page: Path, *languages: str) -> list[Block]:
    found = BLOCK.finditer(page.read_text(encoding="utf-8"))
    return [
        Block(page, block["language"], block["text"])
        for block in found
        if not languages or block["language"] in languages
    ]


def prose(text: str) -> str:
    """The page without its fenced pieces."""
    return BLOCK.sub("", text)


def links(page: Path) -> Iterator[str]:
    for link in LINK.finditer(prose(page.read_text(encoding="utf-8"))):
        yield link["target"]


def anchors(page: Path) -> set[str]:
    """The headings of a page as GitHub links them."""
    words = (found["words"] for found in HEADING.finditer(prose(page.read_text(encoding="utf-8"))))
    return {re.sub(r"[^\w\- ]", "", each.lower()).replace(" ", "-") for each in words}


def section(text: str, heading: str) -> str:
    """What stands under a heading, up to the next one; raises AssertionError without it."""
    _, found, rest = text.partition(f"\n{heading}\n")
    assert found, f"there is no heading {heading!r}"
    return re.split(r"^#+ ", rest, maxsplit=1, flags=re.MULTILINE)[0]


def rows(text: str) -> list[list[str]]:
    """The cells of the first table in a text, its head and rule left out."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    cells = [re.split(r"(?<!\\)\|", line)[1:-1] for line in lines]
    return [[cell.strip() for cell in row] for row in cells][2:]


def table(head: list[str], rows: list[list[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *([_cell(each) for each in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
