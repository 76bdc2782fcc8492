"""Calls the script that makes and removes local networks and machines, for what belongs to no stack."""

import os
import shlex
from collections.abc import Sequence

from tests.e2e.support.process import ask
from tools.common.paths import Clone

SCRIPT = "components/machines/local.sh"


def call(
    clone: Clone, engine: Sequence[str], words: Sequence[str], stdin: str = "", timeout: float = 120, **environment: str
) -> None:
    """Run local.sh of a clone with these words: the action, the name of the network, and more.

    `environment` has what the action reads besides the engine. Raises AssertionError if the action fails.
    """
    around = os.environ | {"ENGINE": shlex.join(engine)} | environment
    ask(["sh", str(clone.root / SCRIPT), *words], env=around, stdin=stdin, timeout=timeout).ok()
