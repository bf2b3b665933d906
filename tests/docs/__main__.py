"""`python -m tests.docs`: writes the generated parts of README.md and docs/ again."""

from tests.docs import generated, pages


def main() -> None:
    for page in pages.all_pages():
        text = page.read_text(encoding="utf-8")
        fresh = pages.filled(text, generated.PARTS)
        if fresh != text:
            page.write_text(fresh, encoding="utf-8")
            print(f"{page.relative_to(pages.ROOT)}: written")


if __name__ == "__main__":
    main()
