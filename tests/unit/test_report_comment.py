"""The comment in a pull request, with a `gh` that keeps comments in a file."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tools.common.paths import this_clone
from tools.report.render import marker

GH = f"""#!{sys.executable}
import json, pathlib, re, sys
store = pathlib.Path(__file__).with_name("comments.json")
comments = json.loads(store.read_text())
args = sys.argv[1:]
if args[:2] == ["pr", "view"]:
    assert args[2] == "12" and args[3:5] == ["--json", "comments"] and "viewerDidAuthor" in args[6]
    for comment in comments:
        if comment["viewerDidAuthor"]:
            print(json.dumps({{"url": comment["url"], "body": comment["body"]}}))
    sys.exit()
method, path = args[args.index("--method") + 1], args[3]
body = json.load(sys.stdin)["body"]
if method == "POST":
    assert path == "repos/{{owner}}/{{repo}}/issues/12/comments", path
    url = "https://example.invalid/pull/12#issuecomment-%d" % (len(comments) + 1)
    comment = {{"url": url, "viewerDidAuthor": True}}
    comments.append(comment)
else:
    assert method == "PATCH"
    number = re.fullmatch(r"repos/{{owner}}/{{repo}}/issues/comments/(\\d+)", path)[1]
    comment = next(c for c in comments if c["url"].endswith("-" + number))
comment["body"] = body
store.write_text(json.dumps(comments))
print(json.dumps({{"html_url": comment["url"]}}))
"""


@pytest.fixture
def store(tmp_path: Path) -> Path:
    (tmp_path / "gh").write_text(GH)
    (tmp_path / "gh").chmod(0o755)
    file = tmp_path / "comments.json"
    other = [
        {"url": "https://example.invalid/pull/12#issuecomment-1", "viewerDidAuthor": True, "body": "Looks good"},
        {
            "url": "https://example.invalid/pull/12#issuecomment-2",
            "viewerDidAuthor": False,
            "body": marker("dev") + "\nx",
        },
    ]
    file.write_text(json.dumps(other))
    return file


def publish(store: Path, text: str) -> subprocess.CompletedProcess[str]:
    report = store.with_name("report.md")
    report.write_text(text)
    command = [sys.executable, "-m", "tools", "comment", "--pr", "12", str(report)]
    environment = os.environ | {"PATH": f"{store.parent}:{os.environ['PATH']}"}
    return subprocess.run(command, cwd=this_clone().root, env=environment, capture_output=True, text=True, check=False)


def bodies(store: Path) -> list[str]:
    return [comment["body"] for comment in json.loads(store.read_text())]


def test_one_comment_for_each_stack_is_updated_in_place(store: Path) -> None:
    before = bodies(store)
    for text in ("first", "second"):
        for stack in ("dev", "dev-2"):
            assert publish(store, f"{marker(stack)}\n{text} of {stack}\n").returncode == 0
    assert bodies(store)[:2] == before
    assert bodies(store)[2:] == [f"{marker(stack)}\nsecond of {stack}\n" for stack in ("dev", "dev-2")]


def test_what_is_no_report_is_not_published(store: Path) -> None:
    before = bodies(store)
    answer = publish(store, "hello")
    assert answer.returncode == 1 and "this is no report" in answer.stderr
    assert bodies(store) == before
