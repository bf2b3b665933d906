"""The generated parts of README.md and docs/ say what the code says.

After a change of the code: `python -m tests.docs` writes them again.
"""

from pathlib import Path

import pytest

from tests.docs import generated, pages


@pytest.mark.parametrize("page", pages.all_pages(), ids=lambda page: page.name)
def test_a_page_is_up_to_date(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert pages.filled(text, generated.PARTS) == text, "run `python -m tests.docs`"


def test_every_generated_part_stands_somewhere() -> None:
    texts = "".join(page.read_text(encoding="utf-8") for page in pages.all_pages())
    assert {found["name"] for found in pages.PART.finditer(texts)} == set(generated.PARTS)
