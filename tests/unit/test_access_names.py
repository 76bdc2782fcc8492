"""Names that others choose: on a terminal, and in commands that an administrator pastes."""

import subprocess

import pytest

from tools.access.names import argument, deletion, shown

ODD = [
    "$(id)",
    "a`id`",
    "x; id",
    "it's",
    'a"b',
    "two\nlines",
    "\x1b[2J",
    "back\\slash",
    "-A",
    "ä",
    "\u202e",
    "!!",
    "~",
    "*",
    "",
]


@pytest.mark.parametrize("name", ODD)
def test_a_name_is_one_word_of_a_command(name: str) -> None:
    word = argument(name)
    assert word.isprintable()
    run = subprocess.run(["bash", "-c", f"printf %s {word}"], capture_output=True, check=True)
    assert run.stdout.decode() == name


@pytest.mark.parametrize("name", ["two\nlines", "\x1b[2J", "\u202e", "two words", "a,b", "a`b", ""])
def test_a_name_that_is_more_than_a_word_is_quoted(name: str) -> None:
    assert shown(name) == repr(name)


@pytest.mark.parametrize("name", ["oidc:shop", "alice@example.com", "system:masters", "ä"])
def test_an_ordinary_name_stays_as_it_is(name: str) -> None:
    assert shown(name) == name


def test_a_name_is_no_option_of_kubectl() -> None:
    assert deletion("rolebinding", "by-hand", "shop") == "kubectl delete rolebinding by-hand --namespace shop"
    assert deletion("clusterrolebinding", "by-hand") == "kubectl delete clusterrolebinding by-hand"
    assert deletion("rolebinding", "--all", "shop") == "kubectl delete rolebinding --namespace shop -- --all"
