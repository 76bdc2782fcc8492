"""Makes the virtual environment if it is missing, then runs the command line of the tools in it.

python3 -m tools.prepare COMMAND ...    any command of `python -m tools`
python3 -m tools.prepare venv           the virtual environment only
python3 -m tools.prepare clean-cache    remove the cache that all clones of this user share; needs no environment
"""

# An older Python has to reach this check, so this file uses no newer syntax.
import sys

if sys.version_info < (3, 11):  # noqa: UP036 - an older Python runs this module
    sys.exit(
        "error: Python 3.11 or newer is needed, this is %s; try `make PYTHON=python3.11`"  # noqa: UP031
        % sys.version.split()[0]
    )

import os

from tools.common import entry
from tools.common.paths import shared_cache, this_clone
from tools.common.store import Store
from tools.prepare import venv


def main(arguments: list[str]) -> int:
    """Prepare this host, and run a command. If this process is not in the virtual environment, then Python restarts."""
    if arguments == ["clean-cache"]:
        from tools.prepare import clean_cache

        clean_cache.run(shared_cache())
        return 0
    clone, store = this_clone(), Store(shared_cache() / "store")
    was_current = venv.ensure(clone, store)
    if arguments == ["venv"]:
        return 0
    if not was_current or sys.prefix != str(clone.venv):
        python = str(clone.venv / "bin" / "python")
        os.execv(python, [python, "-m", "tools", *arguments])  # noqa: S606 - replaces this process
    from tools import cli

    return cli.main(arguments)


if __name__ == "__main__":
    entry.run(main)
