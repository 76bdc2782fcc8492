"""What several rules need."""

from collections.abc import Iterable, Iterator


def repeated(items: Iterable[str]) -> Iterator[tuple[int, int, str]]:
    """Items that were there before: their index, the index of the first such item, the item."""
    first: dict[str, int] = {}
    for index, item in enumerate(items):
        if first.setdefault(item, index) != index:
            yield index, first[item], item
