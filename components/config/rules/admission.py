"""Rules about `admission`, and about what binds the pods of a namespace to nodes."""

from __future__ import annotations

from collections.abc import Iterator

from components.config.errors import Finding
from components.config.page import Page
from components.config.rules.common import repeated


def plugins(page: Page) -> Iterator[Finding]:
    """Each plugin in `admission` comes once."""
    for key, listed in (("enable", page.admission.enable), ("disable", page.admission.disable)):
        for index, first, name in repeated(listed):
            problem = f"{name!r} is also admission.{key}[{first}]"
            yield Finding(f"admission.{key}[{index}]", problem, "each plugin once")


def tolerations(page: Page) -> Iterator[Finding]:
    """A toleration in `access.namespaces` is one that an API server accepts."""
    for index, namespace in enumerate(page.access.namespaces):
        given = namespace.tolerations
        for key, listed in (("default", given.default), ("allowed", given.allowed)) if given else ():
            for number, one in enumerate(listed):
                # ValidateTolerations in k8s.io/kubernetes/pkg/apis/core/validation.
                path = f"access.namespaces[{index}].tolerations.{key}[{number}]"
                if one.operator == "Exists" and one.value:
                    problem = f"{one.value!r} is given, and the operator is Exists"
                    yield Finding(f"{path}.value", problem, "no value, or the operator Equal")
                if one.toleration_seconds is not None and one.effect != "NoExecute":
                    problem = f"{one.toleration_seconds} counts with the effect NoExecute only"
                    yield Finding(f"{path}.tolerationSeconds", problem, "no seconds, or the effect NoExecute")
