"""The command line of the tools, in the virtual environment: .venv/bin/python -m tools [build ... then] COMMAND ..."""

from tools import cli
from tools.common import entry

if __name__ == "__main__":
    entry.run(cli.main)
