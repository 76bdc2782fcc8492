"""Command line: the report of a preview that was recorded in a file.

python3 -m tools.report FILE    FILE is an event log, or what `pulumi preview --json` printed
"""

import argparse
import sys
from pathlib import Path

from tools.report.read import read
from tools.report.render import render


def main(arguments: list[str]) -> int:
    """Prints a report and returns an exit code."""
    parser = argparse.ArgumentParser(prog="python3 -m tools.report", description="Turns a preview into Markdown.")
    parser.add_argument("file", type=Path, help="an event log, or what `pulumi preview --json` printed")
    file = parser.parse_args(arguments).file
    try:
        print(render(read(file.read_text())), end="")
    except (OSError, ValueError) as error:
        sys.exit(f"error: {file}: {error}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
