"""`make rotate`: which step is next, and how the step is written into the page."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import pytest
import yaml

from components.config.generations import Generations
from tools.common.errors import ToolError
from tools.common.paths import Clone
from tools.operate.stack import Stack
from tools.rotate.edit import with_generations
from tools.rotate.rotate import Apply, Pods, rotate
from tools.rotate.steps import KEYS, Phase, next_step, next_steps


def of(*trusted: int, active: int) -> Generations:
    return Generations(trusted=trusted, active=active)


@pytest.mark.parametrize(
    ("now", "phase", "about", "after"),
    [
        (of(1, active=1), Phase.TRUST, 2, of(1, 2, active=1)),
        (of(1, 2, active=1), Phase.USE, 2, of(1, 2, active=2)),
        (of(1, 2, active=2), Phase.DISTRUST, 1, of(2, active=2)),
        (of(2, active=2), Phase.TRUST, 3, of(2, 3, active=2)),
        (of(1, 2, 3, active=2), Phase.USE, 3, of(1, 2, 3, active=3)),
        (of(1, 2, 3, active=3), Phase.DISTRUST, 1, of(2, 3, active=3)),
    ],
)
def test_next_step(now: Generations, phase: Phase, about: int, after: Generations) -> None:
    step = next_step("etcd-ca", now)
    assert (step.phase, step.generation, step.after) == (phase, about, after)


def test_a_rotation_of_everything_takes_three_steps() -> None:
    page: dict[str, Generations] = {}
    for phase in Phase:
        steps = next_steps(KEYS, page)
        assert {step.key: step.phase for step in steps} == dict.fromkeys(KEYS, phase)
        page |= {KEYS[step.key]: step.after for step in steps}
    assert page == dict.fromkeys(KEYS.values(), of(2, active=2))


def test_what_has_begun_is_ended_first() -> None:
    page = {"etcd": of(1, 2, active=1), "encryption": of(3, active=3)}
    assert [step.key for step in next_steps(KEYS, page)] == ["etcd-ca"]


# --- the command ---------------------------------------------------------------------------------------------------


class FakeStack:
    """A stack whose `up` records the generations on the page, or fails."""

    def __init__(self, folder: Path, page: dict[str, Any], recorded: dict[str, Any] | None = None) -> None:
        self.name, self.clone = "dev", Clone(folder)
        self.path = self.clone.page("dev")
        self.path.write_text(yaml.safe_dump({"config": {"hardway:pki": {"generations": page}}}, sort_keys=False))
        self.recorded, self.failures, self.ups = page if recorded is None else recorded, 0, 0

    def known_outputs(self) -> dict[str, Any]:
        return {"generations": self.recorded}

    def up(self, arguments: Sequence[str] = ()) -> int:
        self.arguments = arguments
        self.ups += 1
        if self.failures:
            self.failures -= 1
            return 1
        self.recorded = self.on_page
        return 0

    @property
    def on_page(self) -> dict[str, Any]:
        generations: dict[str, Any] = yaml.safe_load(self.path.read_text())["config"]["hardway:pki"]["generations"]
        return generations


def rotated(stack: FakeStack, what: str, apply: Apply = Apply.ALL) -> int:
    # Without a cluster, so without the checks of pods and of token Secrets.
    return rotate(cast("Stack", stack), what, apply, Pods.KEEP)


def phase(trusted: list[int], active: int) -> dict[str, Any]:
    return {"trusted": trusted, "active": active}


def test_all_takes_three_steps(tmp_path: Path) -> None:
    stack = FakeStack(tmp_path, {"etcd": phase([1], 1)})
    assert rotated(stack, "etcd-ca") == 0
    assert (stack.on_page["etcd"], stack.ups) == (phase([2], 2), 3)


@pytest.mark.parametrize("ups_before_the_kill", [0, 1, 2])
def test_after_a_kill_all_ends_with_the_same_generation(tmp_path: Path, ups_before_the_kill: int) -> None:
    """The page already has the step whose `up` was killed."""
    steps = [phase([1], 1), phase([1, 2], 1), phase([1, 2], 2), phase([2], 2)]
    before, after = steps[ups_before_the_kill : ups_before_the_kill + 2]
    stack = FakeStack(tmp_path, {"etcd": after}, {"etcd": before})
    assert rotated(stack, "etcd-ca") == 0
    assert (stack.on_page["etcd"], stack.ups) == (phase([2], 2), 3 - ups_before_the_kill)


def test_keys_in_different_steps_all_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # A cluster without Secrets that hold tokens.
    (tmp_path / "kubectl").write_text("#!/bin/sh\necho '{\"items\": []}'\n")
    (tmp_path / "kubectl").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    stack = FakeStack(tmp_path, {"etcd": phase([1, 2], 2), "frontProxy": phase([1, 2], 1)})
    assert rotated(stack, "all") == 0
    assert stack.on_page == dict.fromkeys(KEYS.values(), phase([2], 2))


def test_a_key_of_the_operator_is_not_rotated(tmp_path: Path) -> None:
    stack = FakeStack(tmp_path, {"etcd": phase([1], 1)})
    page = yaml.safe_load(stack.path.read_text())
    page["config"]["hardway:machines"] = {"provider": "existing"}
    stack.path.write_text(yaml.safe_dump(page, sort_keys=False))
    with pytest.raises(ToolError, match=r"Pulumi.dev.yaml: the provider existing logs in with a key of the operator"):
        rotated(stack, "ssh-key")
    assert rotated(stack, "all", Apply.NEXT) == 0
    assert set(stack.on_page) == set(KEYS.values()) - {"ssh"}


def test_a_failed_step_is_completed_before_the_next(tmp_path: Path) -> None:
    stack = FakeStack(tmp_path, {"etcd": phase([1], 1)})
    stack.failures = 1
    assert rotated(stack, "etcd-ca") == 1
    assert (stack.on_page["etcd"], stack.recorded["etcd"]) == (phase([1, 2], 1), phase([1], 1))
    assert rotated(stack, "etcd-ca", Apply.NEXT) == 0
    assert stack.on_page["etcd"] == stack.recorded["etcd"] == phase([1, 2], 1)


TEXT = """\
# The page.
config:
  hardway:cluster: {name: dev}  # the name

  # About certificates.
  hardway:pki:  # more
    # Where we are.
    subject:
      country: CN

    algorithm: ecdsa-p256
# The end.
"""


def test_generations_come_onto_a_page_that_has_none() -> None:
    edited = with_generations(TEXT, {"etcd": of(1, 2, active=1)}, "Pulumi.dev.yaml")
    added = "    generations:\n      etcd: {trusted: [1, 2], active: 1}\n"
    assert edited == TEXT.replace("pki:  # more\n", f"pki:  # more\n{added}")


def test_generations_are_replaced_and_added() -> None:
    first = with_generations(TEXT, {"etcd": of(1, 2, active=1)}, "Pulumi.dev.yaml")
    changes = {"etcd": of(1, 2, active=2), "encryption": of(1, 2, active=1)}
    edited = with_generations(first, changes, "Pulumi.dev.yaml")
    assert yaml.safe_load(edited)["config"]["hardway:pki"]["generations"] == {
        "encryption": {"trusted": [1, 2], "active": 1},
        "etcd": {"trusted": [1, 2], "active": 2},
    }
    for line in TEXT.splitlines():
        assert line in edited.splitlines()
    assert len(edited.splitlines()) == len(TEXT.splitlines()) + 3


def test_generations_in_block_style_are_replaced() -> None:
    text = (
        "config:\n  hardway:pki:\n    generations:\n      etcd:\n        trusted:\n          - 1\n        active: 1\n\n"
        "    # Next.\n    algorithm: ecdsa-p256\n"
    )
    edited = with_generations(text, {"etcd": of(1, 2, active=1)}, "Pulumi.dev.yaml")
    assert edited == (
        "config:\n  hardway:pki:\n    generations:\n      etcd: {trusted: [1, 2], active: 1}\n\n"
        "    # Next.\n    algorithm: ecdsa-p256\n"
    )


def test_a_page_without_keys_gets_all_of_it() -> None:
    edited = with_generations("config:\n  hardway:nodes: []\n", {"etcd": of(1, 2, active=1)}, "Pulumi.dev.yaml")
    assert edited.splitlines() == [
        "config:",
        "  hardway:pki:",
        "    generations:",
        "      etcd: {trusted: [1, 2], active: 1}",
        "  hardway:nodes: []",
    ]


@pytest.mark.parametrize(
    "text",
    [
        "config: {hardway:pki: {}}\n",
        "config:\n  hardway:pki: {algorithm: ecdsa-p256}\n",
        "config:\n  hardway:pki:\n    generations: {etcd: {trusted: [1], active: 1}}\n    algorithm: rsa-2048\n",
        "config:\n  hardway:pki:\n    generations:\n      etcd: &e {trusted: [1], active: 1}\n      encryption: *e\n",
    ],
)
def test_a_page_in_another_style_is_left_to_people(text: str) -> None:
    with pytest.raises(ToolError, match=r"write it yourself: encryption: \{trusted: \[1, 2\], active: 1\}"):
        with_generations(text, {"encryption": of(1, 2, active=1)}, "Pulumi.dev.yaml")
