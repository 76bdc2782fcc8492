"""The program does not look for cyclic garbage, and leaves nothing for the search at the end of Python."""

import subprocess
import sys

PROGRAM = """
import atexit, gc
from components.garbage import collect_nothing

atexit.register(lambda: print(gc.isenabled(), gc.get_freeze_count() > 1000))
{start}
"""


def said(start: str) -> str:
    command = [sys.executable, "-c", PROGRAM.format(start=start)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_no_search_while_the_program_runs_and_at_its_end() -> None:
    """With 500 workers, the search at the end took five seconds."""
    assert said("") == "True False\n"
    assert said("collect_nothing()") == "False True\n"
