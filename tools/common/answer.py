"""Asks a short program that may never answer, such as kubectl or ssh."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence


class NoAnswerError(Exception):
    """The program gave no answer; the text says why."""


def answer(command: Sequence[str], seconds: float, given: bytes = b"") -> str:
    """The standard output of a program that gets `given` as its standard input.

    Raises NoAnswerError if the program fails, or takes longer than `seconds`.
    """
    try:
        # A session of its own has no terminal: ssh must not ask for a password there.
        done = subprocess.run(
            command,
            input=given,
            capture_output=True,
            check=False,
            timeout=seconds,
            start_new_session=True,
        )
    except subprocess.TimeoutExpired:
        raise NoAnswerError(f"no answer within {seconds:g} s") from None
    except OSError as error:
        raise NoAnswerError(str(error)) from None
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise NoAnswerError(said[-1] if said else f"exit code {done.returncode}")
    return done.stdout.decode(errors="replace")
