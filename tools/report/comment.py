"""Puts a report into a pull request as one comment, which every later report of the same stack replaces.

Uses GitHub's command line `gh`, which must be logged in.
"""

import json
import subprocess
from collections.abc import Iterable
from pathlib import Path

from tools.common.errors import ToolError

_AUTHORED = ".comments[] | select(.viewerDidAuthor) | {url, body}"


def publish(pull_request: int, report: str) -> str:
    """Update the comment that begins with the report's first line, or create it; return its URL."""
    marker = report.partition("\n")[0]
    if not marker.startswith("<!-- hardway preview"):
        raise ValueError("this is no report: its first line is not the marker that identifies the comment")
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
    """The number of the first comment whose first line is `marker`; each comment has `url` and `body`."""
    for comment in comments:
        if comment["body"].partition("\n")[0].strip() == marker:
            return comment["url"].rpartition("-")[2]
    return None


def _gh(arguments: list[str], text: str | None = None) -> str:
    return subprocess.run(["gh", *arguments], input=text, stdout=subprocess.PIPE, text=True, check=True).stdout


def run(pull_request: int, report: Path) -> int:
    """Publish a report and print its URL; return the exit code of `gh`. Raises ToolError if there is nothing to run."""
    try:
        print(publish(pull_request, report.read_text()))
    except FileNotFoundError as error:
        raise ToolError(
            f"{error.filename}: not found; `make preview` writes reports, https://cli.github.com has gh"
        ) from None
    except subprocess.CalledProcessError as error:
        return error.returncode
    except ValueError as error:
        raise ToolError(f"{report}: {error}") from None
    return 0
