"""Weaknesses of workflows that neither a schema nor actionlint knows: who can reach the secrets of a stack. Pure.

A workflow is the mapping that YAML makes of its file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

_SECRET = re.compile(r"\$\{\{[^}]*\bsecrets\b")
_HOSTED = re.compile(r"ubuntu-[0-9.]+")
"""A runner of the platform that is made for one job and removed after it."""
_VARIABLE = re.compile(r"\bvars\.(\w+)")
_SHELL = r"(?:sudo\s+(?:-\S+\s+)*)?(?:env\s+)?(?:/\S*/)?(?:ba|da|z|k)?sh\b"
_PIPED = re.compile(
    rf"\b(?:curl|wget)\b[^\n;]*\|\s*{_SHELL}|\b{_SHELL}[^\n]*(?:\$\(|<\(|`)\s*(?:curl|wget)\b"
    r"|\beval\b[^\n]*\b(?:curl|wget)\b"
)
_DOWNLOAD = re.compile(r"\b(?:curl|wget)\b")
_VERIFY = re.compile(r"\bsha256sum\b")
_PREPARE = "./.github/actions/prepare"
_UNVERIFIED = "unverified"

Workflow = Mapping[Any, Any]


def of_workflows(workflows: Mapping[str, Workflow]) -> list[str]:
    """The weaknesses of all workflows of a repository together, by their names."""
    found = [f"{name}: {what}" for name, workflow in workflows.items() for what in _of_workflow(workflow)]
    return found + [f"{name}: {what}" for name, what in _shared(workflows)]


def of_steps(steps: Any) -> Iterator[str]:
    """The weaknesses of the scripts in steps, also of those of an action."""
    for step in steps if isinstance(steps, list) else []:
        script = str(step.get("run", "")).replace("\\\n", " ")
        if _PIPED.search(script):
            yield "a step runs a script that it downloads: download an archive, and compare its digest"
        elif _DOWNLOAD.search(script) and not _VERIFY.search(script):
            yield "a step downloads a file and compares no digest (sha256sum)"


def _of_workflow(workflow: Workflow) -> Iterator[str]:
    if "permissions" not in workflow:
        yield "no permissions: the token of the platform may do what the repository allows"
    if "pull_request_target" in _triggers(workflow):
        yield "pull_request_target: code of forks would see secrets"
    if _has_secret(workflow.get("env")):
        yield "env of the workflow has a secret: every step of every job sees it, give it to the step that needs it"
    for name, job in workflow["jobs"].items():
        yield from (f"{name}: {what}" for what in _of_job(job, _triggers(workflow), workflow["jobs"]))


def _of_job(job: Workflow, triggers: set[str], jobs: Workflow) -> Iterator[str]:
    if _has_secret(job.get("env")):
        yield "env of the job has a secret: actions of other people see it, give it to the step that needs it"
    if job.get("secrets") == "inherit":
        yield "secrets: inherit gives away all secrets: name those that are needed"
    yield from of_steps(job.get("steps"))
    if not _uses_secrets(job):
        return
    if "environment" not in job:
        yield "secrets without an environment: every branch can read them"
    elif "pull_request" in triggers and not any(_asks_for_reviewers(jobs.get(other, {})) for other in _needs(job)):
        yield "a pull request reaches secrets, and no needed job makes sure that the environment has reviewers"
    for step in job.get("steps", ()):
        if step.get("uses") == _PREPARE and (step.get("with") or {}).get("sha256") in (None, "", _UNVERIFIED):
            yield "a job with secrets runs a Pulumi that is not verified (sha256)"


def _shared(workflows: Mapping[str, Workflow]) -> Iterator[tuple[str, str]]:
    """What the code of a branch shares with runs of the main branch: runners that stay, and environments."""
    jobs = [
        (name, "pull_request" in _triggers(workflow), job)
        for name, workflow in workflows.items()
        for job in workflow["jobs"].values()
    ]
    writing = {v for name, _, job in jobs if name in ("up", "renew") and _changes(job) for v in _runners(job)}
    protected = {str(job["environment"]) for _, of_branch, job in jobs if not of_branch and "environment" in job}
    for name, of_branch, job in jobs:
        if not _changes(job) and (both := writing & _runners(job)):
            yield (
                name,
                f"a job that only reads has the runner of `up` ({', '.join(sorted(both))}), which reaches machines",
            )
        if of_branch and str(job.get("environment")) in protected:
            yield name, f"the environment {job['environment']} also belongs to runs of the main branch"


def _changes(job: Workflow) -> bool:
    scripts = " ".join(str(step.get("run", "")) for step in job.get("steps", ()))
    return bool(re.search(r"\bmake (?:up|renew|replace|rotate|restore|down)\b", scripts))


def _runners(job: Workflow) -> set[str]:
    """The names of the runners of a job that are not made for one job: variables and labels."""
    label = job.get("runs-on", "")
    text = label if isinstance(label, str) else repr(label)
    return set(_VARIABLE.findall(text)) or ({text} - {found[0] for found in [_HOSTED.fullmatch(text)] if found})


def _triggers(workflow: Workflow) -> set[str]:
    # YAML reads the key `on` as true.
    found = workflow.get(True, workflow.get("on"))
    return {found} if isinstance(found, str) else set(found or ())


def _needs(job: Workflow) -> list[str]:
    needs = job.get("needs", [])
    return [needs] if isinstance(needs, str) else list(needs)


def _asks_for_reviewers(job: Workflow) -> bool:
    scripts = [str(step.get("run", "")) for step in job.get("steps", ())]
    return not _uses_secrets(job) and any("/environments/" in s and "required_reviewers" in s for s in scripts)


def _uses_secrets(job: Workflow) -> bool:
    return _has_secret(job) or job.get("secrets") is not None


def _has_secret(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(_has_secret(entry) for entry in value.values())
    if isinstance(value, list):
        return any(_has_secret(entry) for entry in value)
    return isinstance(value, str) and bool(_SECRET.search(value))
