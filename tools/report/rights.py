"""The part of the report about people: who gets and loses which role, and what limits their namespaces."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from components.addons.bindings import OF_COMPONENTS
from components.config.namespaces import ENFORCE, LIMITED_BY
from components.config.scheduling import ALLOWED_TOLERATIONS, DEFAULT_TOLERATIONS, NODE_SELECTOR
from tools.access.rights import UNREADABLE, Right, rights_of
from tools.report.markdown import Section, code, codes, table
from tools.report.read import HIDDEN, UNKNOWN, Preview, Step, Values

_RBAC = "kubernetes:rbac.authorization.k8s.io/v1:"
_BINDINGS = {f"{_RBAC}RoleBinding": True, f"{_RBAC}ClusterRoleBinding": False}
_ROLE = f"{_RBAC}ClusterRole"
_CORE = "kubernetes:core/v1:"
_NAMESPACE = f"{_CORE}Namespace"
_OWN_ROLE = "hardway-role-"
_NONE = "none"
_PODS = {
    NODE_SELECTOR: "node selector",
    DEFAULT_TOLERATIONS: "default tolerations",
    ALLOWED_TOLERATIONS: "allowed tolerations",
}
"""What binds the pods of a namespace to nodes, by annotation."""
_NEITHER = (UNKNOWN, HIDDEN)


def rights_sections(preview: Preview) -> Iterator[Section]:
    """Tables of rights, roles and limits, each only if it has a row."""
    before, after = _rights(preview.steps, "old"), _rights(preview.steps, "new")
    rows = [(right, "gets") for right in after - before] + [(right, "**loses**") for right in before - after]
    if rows:
        yield table(
            "Who may do what",
            ("who", "change", "role", "where"),
            ((code(right.who()), verb, code(right.role), _where(right)) for right, verb in sorted(rows)),
        )
    if roles := sorted(row for step in preview.steps if step.type == _ROLE for row in _role(step)):
        yield table("Roles of the page", ("role", "before", "after"), roles)
    if limits := sorted(row for step in preview.steps for row in _limits(step)):
        yield table("Limits of namespaces", ("namespace", "limit", "before", "after"), limits)


def _where(right: Right) -> str:
    return f"namespace {code(right.namespace)}" if right.namespace else "**whole cluster**"


def _rights(steps: Iterable[Step], state: str) -> frozenset[Right]:
    """What bindings of people give before or after the plan. A binding that does not change is in neither."""
    return frozenset(
        right
        for step in steps
        if step.type in _BINDINGS and (values := _state(step, state))
        if _metadata(values).get("name", step.name) not in OF_COMPONENTS
        for right in rights_of(_readable(values), is_namespaced=_BINDINGS[step.type])
        if right.kind != "ServiceAccount"
    )


def _state(step: Step, state: str) -> Values:
    values = step.old if state == "old" else step.new
    if state == "new" and step.operation == "update" and values:
        # An object never moves, also if its namespace is not known yet.
        place = {key: name for key in ("name", "namespace") if (name := _metadata(step.old).get(key))}
        return {**values, "metadata": {**_metadata(values), **place}}
    return values


def _readable(value: Any) -> Any:
    """The value with a sentence in the place of what is hidden or not known yet."""
    if isinstance(value, dict):
        return {key: _readable(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_readable(item) for item in value]
    return UNREADABLE if value in _NEITHER else value


def _role(step: Step) -> Iterator[tuple[str, str, str]]:
    if step.name.startswith(_OWN_ROLE):
        before, after = (_rules(values) for values in (step.old, step.new))
        if before != after:
            yield code(step.name.removeprefix(_OWN_ROLE)), before, after


def _rules(values: Values) -> str:
    rules = values.get("rules")
    texts = [_rule(rule) for rule in rules if isinstance(rule, Mapping)] if isinstance(rules, list) else []
    return codes(texts, "; ") if texts else _NONE


def _rule(rule: Mapping[str, Any]) -> str:
    verbs, resources, groups = (_words(rule.get(name)) for name in ("verbs", "resources", "apiGroups"))
    return f"{verbs} {resources}" + (f" in {groups}" if groups else "")


def _words(value: object) -> str:
    return ",".join(word for word in value if isinstance(word, str)) if isinstance(value, list) else ""


def _limits(step: Step) -> Iterator[tuple[str, str, str, str]]:
    """Each limit that differs."""
    before, after = (_amounts(step, values) for values in (step.old, step.new))
    key = "name" if step.type == _NAMESPACE else "namespace"
    names = [_metadata(values).get(key) for values in (step.new, step.old)]
    namespace = next((name for name in names if isinstance(name, str) and name not in _NEITHER), step.name)
    # Namespaces of the network plugin and of Kubernetes are not those of people.
    if namespace.startswith("kube-"):
        return
    for what in sorted(before.keys() | after.keys()):
        old, new = before.get(what, _NONE), after.get(what, _NONE)
        if old != new:
            yield code(namespace), code(what), old, new


def _amounts(step: Step, values: Values) -> dict[str, str]:
    """The limits that an object sets, by what they limit. An object that stays in the cluster keeps its limits."""
    metadata, spec = _metadata(values), values.get("spec")
    spec = spec if isinstance(spec, Mapping) else {}
    if step.type == _NAMESPACE and not (step.operation == "delete" and step.retained):
        annotations = _mapping(metadata.get("annotations"))
        pods = {what: annotations.get(name) for name, what in _PODS.items()}
        return _texts("Pod Security", {"": _mapping(metadata.get("labels")).get(ENFORCE)}) | _texts("", pods)
    if metadata.get("name") != LIMITED_BY:
        return {}
    if step.type == f"{_CORE}ResourceQuota":
        return _texts("quota", _mapping(spec.get("hard")))
    if step.type == f"{_CORE}LimitRange":
        items = spec.get("limits")
        (item, *_) = items if isinstance(items, list) and items else [{}]
        found: dict[str, str] = {}
        for field, amounts in sorted(_mapping(item).items()):
            if isinstance(amounts, Mapping):
                found |= _texts(f"each container: {field}", amounts)
        return found
    return {}


def _texts(what: str, amounts: Mapping[str, Any]) -> dict[str, str]:
    return {
        f"{what} {name}".strip(): code(amount)
        for name, amount in amounts.items()
        if isinstance(amount, str) and amount not in _NEITHER
    }


def _metadata(values: Values) -> Mapping[str, Any]:
    return _mapping(values.get("metadata"))


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
