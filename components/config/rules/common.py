"""What several rules need."""

from collections.abc import Iterable, Sequence


def repeated(items: Iterable[str]) -> Sequence[str]:
    """The items that are there more than once, each once, in order."""
    seen: dict[str, int] = {}
    for item in items:
        seen[item] = seen.get(item, 0) + 1
    return [item for item, count in seen.items() if count > 1]
