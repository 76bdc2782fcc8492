"""A rule about the rights of roles in AWS."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pulumi_policy import Severity

from policies.documents import statements, values
from policies.item import UNKNOWN, Item
from policies.patterns import matches
from policies.rule import About, Rule, Setting, Settings, resource_rule

_ROLE = "aws:iam/role:Role"
_ROLE_POLICY = "aws:iam/rolePolicy:RolePolicy"
_POLICY = "aws:iam/policy:Policy"
_ATTACHMENT = "aws:iam/rolePolicyAttachment:RolePolicyAttachment"


def rights(item: Item, settings: Settings) -> Iterator[str]:
    """Finds rights on actions or resources that nobody has named, and roles that everybody may take."""
    if matches(item.name, settings["roles"]):
        return
    for statement in _granted(item):
        if statement.get("Effect") != "Allow":
            continue
        for name in ("NotAction", "NotResource", "NotPrincipal"):
            if name in statement:
                yield f"{item.name}: {name} allows everything but what it names. Name what the role needs."
        for action in values(statement, "Action"):
            if "*" in action or "?" in action:
                yield f"{item.name}: the action {action} has a wildcard. Name the actions that the role needs."
        for resource in values(statement, "Resource"):
            if _is_open(resource):
                yield f"{item.name}: the resource {resource} has a wildcard in its name. Name the resources."
        if _is_everybody(statement.get("Principal")):
            yield f"{item.name}: everybody may take the role. Name the service that takes the role."
    for arn in _managed(item):
        yield (
            f"{item.name}: {arn} is a policy whose rights the plan does not show, and whose owner can change them. "
            "Write the rights into a RolePolicy."
        )


def _granted(item: Item) -> list[Mapping[str, Any]]:
    if item.type in (_ROLE_POLICY, _POLICY):
        return statements(item.props.get("policy"))
    if item.type != _ROLE:
        return []
    inline = item.props.get("inlinePolicies")
    documents = (
        [entry.get("policy") for entry in inline if isinstance(entry, Mapping)] if isinstance(inline, list) else []
    )
    return [found for document in (item.props.get("assumeRolePolicy"), *documents) for found in statements(document)]


def _managed(item: Item) -> list[str]:
    """ARNs of policies that are attached to a role and known at preview. A policy of the same plan is not known yet."""
    if item.type == _ATTACHMENT:
        arn = item.text("policyArn")
        return [arn] if arn else []
    return list(item.texts("managedPolicyArns")) if item.type == _ROLE else []


def _is_open(resource: str) -> bool:
    """Whether a wildcard is in the name of the resource itself. Below it, as in BUCKET/PREFIX/*, a wildcard may be."""
    name, _, below = resource.partition("/")
    in_bucket = resource.startswith(("arn:aws:s3:::", "arn:aws-cn:s3:::", "arn:aws-us-gov:s3:::"))
    judged = name if in_bucket and below else resource
    return "*" in judged or "?" in judged


def _is_everybody(principal: Any) -> bool:
    if principal is None or principal is UNKNOWN:
        return False
    return principal == "*" or (isinstance(principal, Mapping) and "*" in values(principal, "AWS"))


RULES: list[Rule] = [
    resource_rule(
        About(
            "role-rights",
            "Roles have rights on named actions and resources only.",
            {"roles": Setting([], "Roles and policies that the rule leaves out.")},
            Severity.CRITICAL,
        ),
        [_ROLE, _ROLE_POLICY, _POLICY, _ATTACHMENT],
        rights,
    )
]
