"""What several rules need."""

from collections.abc import Iterable, Iterator


def repeated(items: Iterable[str]) -> Iterator[tuple[int, int, str]]:
    """Each repeated item: its index, the index of its first occurrence, the item."""
    first: dict[str, int] = {}
    for index, item in enumerate(items):
        if first.setdefault(item, index) != index:
            yield index, first[item], item
