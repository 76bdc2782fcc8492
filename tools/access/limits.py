"""Where namespaces of the page have other limits in the cluster."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fractions import Fraction

from components.config.namespaces import ENFORCE, ENFORCE_VERSION, LIMITED_BY
from components.config.quantities import parse
from components.config.scheduling import ANNOTATIONS
from tools.access.cluster import Found
from tools.access.names import argument, deletion, shown
from tools.access.wanted import Wanted

Amounts = Mapping[str, str]
_LATEST = "latest"
_FIELDS = ("default", "defaultRequest", "max", "min")


def unlike_namespaces(wanted: Wanted, found: Found, up: str) -> Iterator[str]:
    """A sentence for each namespace that is missing, and for each limit that differs."""
    for name, want in wanted.namespaces.items():
        have = found.namespaces.get(name)
        if have is None:
            yield f"namespace {name} of the page is not in the cluster: {up} makes it"
            continue
        level = have.labels.get(ENFORCE, "")
        if level != want.level:
            label = f"{ENFORCE}={want.level}" if want.level else f"{ENFORCE}-"
            remedy = f"`kubectl label namespace {name} {label} --overwrite`"
            yield f"namespace {name}: the level of Pod Security is {_both(level, want.level)}: {remedy}"
        if (version := have.labels.get(ENFORCE_VERSION, _LATEST)) != _LATEST:
            remedy = f"`kubectl label namespace {name} {ENFORCE_VERSION}-`"
            yield f"namespace {name}: the version of the level of Pod Security is {_both(version, '')}: {remedy}"
        for key in ANNOTATIONS:
            is_, should = have.annotations.get(key, ""), want.annotations.get(key, "")
            if is_ != should:
                text = f"{key}={argument(should)}" if should else f"{key}-"
                remedy = f"`kubectl annotate namespace {name} --overwrite {text}`"
                yield f"namespace {name}: the annotation {key} is {_both(shown(is_) if is_ else '', should)}: {remedy}"
        wanted_limits = with_defaults(want.limits)
        unlike = {
            "resourcequota": _unlike("quota", want.quota, have.quota),
            "limitrange": [
                text
                for field in _FIELDS
                for text in _unlike(f"limits.{field}", wanted_limits[field], have.limits.get(field) or {})
            ],
        }
        for kind, texts in unlike.items():
            remedy = f"`{deletion(kind, LIMITED_BY, name)}`, and {up} makes it again"
            yield from (f"namespace {name}: {text}: {remedy}" for text in texts)


def with_defaults(limits: Mapping[str, Amounts]) -> dict[str, dict[str, str]]:
    """The limits of containers with the defaults that an API server adds to them.

    SetDefaults_LimitRangeItem in k8s.io/kubernetes/pkg/apis/core/v1: the largest limit is the default limit, which is
    the default request; else the smallest request is.
    """
    filled: dict[str, dict[str, str]] = {field: dict(limits.get(field, {})) for field in _FIELDS}
    filled["default"] = {**filled["max"], **filled["default"]}
    filled["defaultRequest"] = {**filled["min"], **filled["default"], **filled["defaultRequest"]}
    return filled


def _unlike(what: str, want: Amounts, have: Amounts) -> Iterator[str]:
    for name in sorted(want.keys() | have.keys()):
        one, other = want.get(name, ""), have.get(name, "")
        if _amount(one) != _amount(other):
            yield f"{what} {name} is {_both(other, one)}"


def _both(cluster: str, page: str) -> str:
    return f"{cluster or 'not set'} in the cluster, {page or 'not set'} on the page"


def _amount(text: str) -> Fraction | str:
    amount = parse(text)
    return text if amount is None else amount
