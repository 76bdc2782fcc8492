"""The tables of flags, fields and feature gates: current, and true for what hardway itself writes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from clusters import NAMES, cluster
from conftest import changed, page_values

from components.config import accepted, load
from components.config.cluster import KUBERNETES_MINORS
from components.config.field_limits import KEYS
from components.config.field_limits import LIMITS as FIELD_LIMITS
from components.config.field_values import problems
from components.config.flag_limits import LIMITS as FLAG_LIMITS
from components.config.flag_values import KINDS
from components.config.flags import MANAGED_FIELDS, MANAGED_FLAGS

FLAG = re.compile(r'^(?:ExecStart=\S+)? *"?--([a-z0-9-]+)=', re.M)
FREE_TEXT = {
    *("string", "stringArray", "portRange", "namedCertKey", "version", "reserved-memory", "[]v1.Taint"),
    # The type of runtime-config, whose keys may stand alone.
    "mapStringString",
}
"""Types of which every text is a value, or that only flags have that hardway refuses."""


def test_each_minor_version_of_the_page_has_its_fields() -> None:
    for component in MANAGED_FIELDS:
        for minor in KUBERNETES_MINORS:
            assert len(accepted.fields(component, f"{minor}.0")) > 20, (component, minor)
    assert accepted.fields("kubelet", "1.99.0") == {}
    assert accepted.flags("kubelet", "1.34.0") == {}
    assert "tlsCurvePreferences" in accepted.fields("kubelet", "1.37.1")
    assert "tlsCurvePreferences" not in accepted.fields("kubelet", "1.34.4")


@pytest.mark.parametrize("minor", KUBERNETES_MINORS)
@pytest.mark.parametrize("name", NAMES)
def test_the_programs_know_the_fields_and_flags_that_hardway_sets(name: str, minor: str) -> None:
    # Flags and fields of the page are left out: other versions need not know them.
    left_out = {"extraArgs": None, "extraConfig": None}
    made = cluster(name, left_out | {"versions.kubernetes": f"{minor}.1"})
    for node in made.topology.nodes:
        part = made.part(node.name)
        for file in part.files:
            component = file.path.removeprefix("cfg/").removesuffix(".json")
            if component in MANAGED_FIELDS and isinstance(file.content, str):
                fields = accepted.fields(component, f"{minor}.1")
                assert list(problems(fields, json.loads(file.content), ())) == [], (node.name, file.path)
        for unit in part.units:
            component = unit.name.removesuffix(".service")
            known = accepted.flags(component, made.page.versions.etcd if component == "etcd" else f"{minor}.1")
            if known:
                assert set(FLAG.findall(unit.text)) - set(known) == set(), unit.name


def test_every_limit_is_one_of_a_flag_or_a_field() -> None:
    """A limit under a wrong name would limit nothing."""
    for component, limits in FLAG_LIMITS.items():
        version = "3.7.2" if component == "etcd" else "1.37.1"
        own = {name for name in limits if name not in FLAG_LIMITS["kubelet"]}
        assert own - set(accepted.flags(component, version)) == set(), component
        assert own & set(MANAGED_FLAGS[component]) == set(), component
    for component, limits in FIELD_LIMITS.items():
        assert set(limits) <= set(paths(accepted.fields(component, "1.37.1"))), component
    assert set(KEYS) <= set(accepted.fields("kubelet", "1.37.1"))


def paths(known: Any, path: str = "") -> Iterator[str]:
    """The paths of all single values in a tree of types, as limits name them."""
    if isinstance(known, list):
        yield from paths(known[0], f"{path}[]")
    elif isinstance(known, dict):
        for key, below in known.items():
            yield from paths(below, f"{path}.{key}".removeprefix("."))
    else:
        yield path


def test_every_type_of_a_flag_is_checked_or_free_text() -> None:
    types = {
        kind
        for component, table in json.loads(accepted.FILE.read_text())["flags"].items()
        for name, rows in table["names"].items()
        for kind, *_ in rows
        if name not in MANAGED_FLAGS[component]
    }
    assert types - set(KINDS) - FREE_TEXT == set()


def test_a_version_that_nobody_recorded_is_not_judged_by_its_names() -> None:
    """The types of flags are known from other versions."""
    older = {"versions.kubernetes": "1.34.4", "extraArgs.kube-apiserver": {"no-such-flag": "x", "event-ttl": "2h"}}
    assert load(changed(page_values("stacked"), older)).extra_args.kube_apiserver["no-such-flag"] == "x"
    wrong = older | {"extraArgs.kube-apiserver": {"event-ttl": "2 hours"}}
    with pytest.raises(ValueError, match="is not a duration"):
        load(changed(page_values("stacked"), wrong))


def test_a_field_without_a_value_is_left_out() -> None:
    """Before, null took away what hardway sets."""
    given = {"extraConfig": {"kubelet": {"seccompDefault": None, "evictionHard": {"memory.available": None}}}}
    page = load(changed(page_values("stacked"), given))
    assert page.extra_config.kubelet == {"evictionHard": {}}
    part = cluster("stacked", given).part("worker-1")
    (config,) = [json.loads(str(file.content)) for file in part.files if file.path == "cfg/kubelet.json"]
    assert config["seccompDefault"] is True
    assert config["evictionHard"]["memory.available"] == "100Mi"
