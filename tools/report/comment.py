"""Puts a report into a pull request: as one comment, which every later report of the same stack replaces.

python3 -m tools.report.comment --pr NUMBER FILE    with GitHub's command line `gh`, logged in
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

_AUTHORED = ".comments[] | select(.viewerDidAuthor) | {url, body}"


def publish(pull_request: int, report: str) -> str:
    """Updates the comment that has the report's first line, or makes one; returns its URL."""
    marker = report.partition("\n")[0]
    if not marker.startswith("<!-- hardway preview"):
        raise ValueError("this is no report: its first line is not the mark by which the comment is found again")
    lines = _gh(["pr", "view", str(pull_request), "--json", "comments", "--jq", _AUTHORED]).splitlines()
    known = find(marker, (json.loads(line) for line in lines if line))
    body = json.dumps({"body": report})
    if known:
        path = f"repos/{{owner}}/{{repo}}/issues/comments/{known}"
        answer = _gh(["api", "--method", "PATCH", path, "--input", "-"], body)
    else:
        answer = _gh(
            ["api", "--method", "POST", f"repos/{{owner}}/{{repo}}/issues/{pull_request}/comments", "--input", "-"],
            body,
        )
    return str(json.loads(answer)["html_url"])


def find(marker: str, comments: Iterable[dict[str, str]]) -> str | None:
    """The number of the first comment whose first line is `marker`; `comments` have `url` and `body`."""
    for comment in comments:
        if comment["body"].partition("\n")[0].strip() == marker:
            return comment["url"].rpartition("-")[2]
    return None


def _gh(arguments: list[str], text: str | None = None) -> str:
    return subprocess.run(["gh", *arguments], input=text, stdout=subprocess.PIPE, text=True, check=True).stdout


def main(arguments: list[str]) -> int:
    """Publishes a report and prints where it stands."""
    parser = argparse.ArgumentParser(prog="python3 -m tools.report.comment", description="Comments a pull request.")
    parser.add_argument("--pr", type=int, required=True, metavar="NUMBER", help="the pull request")
    parser.add_argument("file", type=Path, help="a report")
    options = parser.parse_args(arguments)
    try:
        print(publish(options.pr, options.file.read_text()))
    except FileNotFoundError as error:
        sys.exit(f"error: {error.filename}: not found; `make preview` writes reports, https://cli.github.com has gh")
    except subprocess.CalledProcessError as error:
        return error.returncode
    except ValueError as error:
        sys.exit(f"error: {options.file}: {error}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
