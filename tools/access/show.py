"""`make access`: reads the page and asks the API; prints who may do what, and where the two differ."""

from __future__ import annotations

import json
from typing import Any

from components.config.scheduling import ANNOTATIONS
from tools.access import cluster
from tools.access.cluster import Found
from tools.access.compare import Comparison, compare
from tools.access.lines import lines
from tools.access.wanted import Wanted, load_access, wanted
from tools.common.answer import NoAnswerError
from tools.common.errors import ToolError
from tools.common.progress import say
from tools.operate import kubectl
from tools.operate.stack import Stack

_REQUEST_SECONDS = 10
_REFUSED = "Unauthorized"
_ENDED = "the certificate in the kubeconfig has ended, or its authority is not trusted any more"


def show(stack: Stack, *, as_json: bool) -> int:
    """Print the rights of people in a stack. Returns 1 if the page and the cluster differ, else 0.

    Raises ToolError if the page is wrong, if there is no kubectl, or if the API does not answer.
    """
    want = wanted(load_access(stack.clone.page(stack.name)))
    command = kubectl.required(stack, _REQUEST_SECONDS)
    if not stack.clone.kubeconfig(stack.name).exists():
        stack.write_kubeconfig()
    say(f"asking the API of stack {stack.name} who may do what ...")
    try:
        found = cluster.ask(command, _REQUEST_SECONDS)
    except NoAnswerError as error:
        advice = f"; {_ENDED}: `make up STACK={stack.name}` writes another one" if _REFUSED in str(error) else ""
        raise ToolError(f"stack {stack.name}: the API does not say who has rights: {error}{advice}") from None
    compared = compare(want, found, stack.name)
    if as_json:
        print(json.dumps(document(stack.name, compared, want, found), indent=2))
    else:
        for line in lines(compared, want, found):
            print(line)
    return int(bool(compared.differences))


def document(stack: str, compared: Comparison, want: Wanted, found: Found) -> dict[str, Any]:
    """The same as the text, for programs. Names are written as in Kubernetes."""
    return {
        "stack": stack,
        "differences": list(compared.differences),
        "notes": list(compared.notes),
        "rights": [
            {
                "kind": one.right.kind,
                "subject": one.right.subject,
                "role": one.right.role,
                "namespace": one.right.namespace or None,
                "standsIn": one.source,
                "binding": one.binding,
            }
            for one in compared.rights
        ],
        "certificates": [{"subject": name, "group": group} for name, group in want.certificates.items()],
        "tokens": [{"subject": name, "groups": [*groups]} for name, groups in want.tokens.items()],
        "namespaces": [
            {
                "name": name,
                "labels": dict(have.labels) if (have := found.namespaces.get(name)) else None,
                "annotations": {key: text for key in ANNOTATIONS if (text := have.annotations.get(key))}
                if have
                else None,
                "quota": dict(have.quota) if have else None,
                "limits": dict(have.limits) if have else None,
            }
            for name in sorted(want.namespaces)
        ],
    }
