"""Pages that hypothesis makes up never end in a stack trace, and what is refused is told in the project's words.

HARDWAY_FUZZ_EXAMPLES makes as many pages of each kind as one likes. The pages are the same in every run.
"""

from __future__ import annotations

import copy
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from clusters import cluster_of
from conftest import Values, written
from generated_pages import broken, containers, likely, whole
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from jsonschema import Draft7Validator

from components.config import ConfigError, Page, load
from components.config.errors import NAMESPACE
from components.config.findings import is_public_at
from components.config.introspect import keys
from components.config.loading import leaves
from components.config.schema import schema

TESTS = Path(__file__).parents[1]
EXAMPLES = int(os.environ.get("HARDWAY_FUZZ_EXAMPLES", "200"))
VALIDATOR = Draft7Validator(schema())
HIDDEN = "hunter2-hunter2"
KINDS = {"likely": likely(), "broken": broken(), "whole": whole}
SECRET = ("backup", "authorities")
"""Keys with secrets. A page that gives them in plain text would be refused for that alone."""


def each(strategy: st.SearchStrategy[Any], examples: int = EXAMPLES) -> Callable[[Any], Any]:
    """The same pages in every run; a failure is not made smaller, because that takes minutes."""
    profile = settings(
        max_examples=examples,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    return lambda test: profile(given(strategy)(test))


def test_the_pages_are_the_same_in_every_process_and_leave_no_files(tmp_path: Path) -> None:
    """Hypothesis would take values from modules that other tests have loaded."""
    program = """if True:
        import hashlib, sys
        for name in sys.argv[1:]:
            __import__(name)
        from test_generated_pages import each, broken
        pages = []
        each(broken(), 20)(lambda values: pages.append(repr(values)))()
        print(hashlib.sha256("".join(pages).encode()).hexdigest())
    """
    path = os.pathsep.join([str(TESTS.parent), str(TESTS), str(TESTS / "integration")])
    said = {
        subprocess.run(
            [sys.executable, "-c", program, *modules],
            cwd=tmp_path,
            env={"PYTHONPATH": path, "HOME": str(tmp_path)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for modules in ((), ("tools.cli", "tools.doctor", "policies"))
    }
    assert len(said) == 1 and said != {""}
    assert list(tmp_path.iterdir()) == []


def loaded(values: Values, secret: tuple[str, ...] = SECRET) -> Page | None:
    """The page, or None if the page is refused in the right words. Any other exception fails the test."""
    try:
        return load(copy.deepcopy(values), secret)
    except ConfigError as error:
        refused = error
    assert refused.findings
    for finding in refused.findings:
        line = str(finding)
        assert line.isprintable(), repr(line)
        assert line.startswith(f"{NAMESPACE}:{finding.path}: ") and finding.path
        assert finding.problem.strip() and finding.allowed.strip(), line
        assert "pydantic" not in line and " object at 0x" not in line, line
        top = finding.path.partition(".")[0].partition("[")[0]
        assert not top or top in keys(Page) or "is not a known key" in line, line
    return None


@pytest.mark.parametrize("kind", KINDS)
def test_a_page_is_accepted_or_refused_in_words(kind: str) -> None:
    counted: Counter[bool] = Counter()

    @each(
        {"likely": likely(), "broken": broken(), "whole": whole}[kind], EXAMPLES if kind != "whole" else EXAMPLES // 4
    )
    def check(values: Values) -> None:
        counted[loaded(values) is not None] += 1

    check()
    assert counted[False] > counted.total() / 5, counted
    if kind == "likely":
        assert counted[True] > counted.total() / 4, counted


def test_what_is_accepted_fits_the_schema_is_rendered_and_is_the_same_when_written_down() -> None:
    counted: Counter[bool] = Counter()

    @each(likely(), EXAMPLES // 2)
    def check(values: Values) -> None:
        page = loaded(values)
        counted[page is not None] += 1
        if page is None:
            return
        file = {"config": {f"{NAMESPACE}:{key}": value for key, value in values.items()}}
        assert [f"{error.json_path}: {error.message}" for error in VALIDATOR.iter_errors(file)] == []
        assert loaded(written(page.model_dump(by_alias=True))) == page
        made = cluster_of(page)
        for node in made.topology.nodes:
            for item in made.part(node.name).files:
                if isinstance(item.content, str) and item.path.endswith(".json"):
                    json.loads(item.content, parse_constant=pytest.fail)

    check()
    assert counted[True] > counted.total() / 4, counted


def test_no_message_shows_a_value_of_a_key_with_secrets() -> None:
    told = 0

    @each(st.tuples(broken(), st.randoms(use_true_random=False)), EXAMPLES // 2)
    def check(made: tuple[Values, Any]) -> None:
        nonlocal told
        values, random = made
        if not values:
            return
        here, key = random.choice(list(containers(values)))
        here[key] = HIDDEN
        # Values of some fields, such as numbers of generations, are never secrets, and are shown.
        if any(leaf == HIDDEN and is_public_at(path, Page) for path, leaf in leaves(values)):
            return
        said = message(values)
        told += bool(said)
        assert HIDDEN not in said

    check()
    assert told > EXAMPLES / 4


def message(values: Values) -> str:
    """The text of the error about a page, whose every key has secrets; empty if the page is accepted."""
    try:
        load(copy.deepcopy(values), tuple(values))
    except ConfigError as error:
        return str(error)
    return ""
