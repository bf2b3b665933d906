"""How wide the columns of a table are: text wraps between words, no figure or date is broken."""

from collections.abc import Iterable, Mapping, Sequence

from rich.cells import cell_len

GAP = 2

Widths = dict[str, int]


def fit(columns: Mapping[str, Sequence[str]], dispensable: Sequence[str], room: int) -> Widths:
    """How wide each column is, given their cells by title; what does not fit is not among them.

    Text wraps; then the dispensable ones go, in their order; then the widest words are broken.
    """
    least = {title: _widest(cell.split() for cell in cells) for title, cells in columns.items()}
    for title in dispensable:
        if _sum(least) > room:
            least.pop(title, None)
    widths = {title: _widest(cell.splitlines() for cell in columns[title]) for title in least}
    while _sum(widths) > room and max(widths.values()) > 1:
        wrapping = [title for title in widths if widths[title] > least[title]]
        widths[max(wrapping or widths, key=widths.__getitem__)] -= 1
    return widths


def _widest(pieces: Iterable[Sequence[str]]) -> int:
    return max((cell_len(piece) for each in pieces for piece in each), default=1)


def _sum(widths: Widths) -> int:
    return sum(widths.values()) + GAP * (len(widths) - 1)
