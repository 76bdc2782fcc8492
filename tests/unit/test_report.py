"""Reports about nodes, certificates, objects and findings that the recordings do not have, and the form of reports."""

import json
import re
from datetime import UTC, datetime
from typing import Any

import pytest

from tools.report.certificates import certificate_changes
from tools.report.markdown import LIMIT, Section, code, join, row
from tools.report.nodes import node_changes
from tools.report.objects import kubernetes_changes, other_changes
from tools.report.read import UNKNOWN, Finding, Preview, Step, read
from tools.report.render import render

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
PREFIX = "urn:pulumi:s::hardway::"
LEAF = "tls:index/locallySignedCert:LocallySignedCert"


def release(**changes: Any) -> dict[str, Any]:
    """The inputs with which a release describes itself."""
    return {
        "digest": "d",
        "manifest": {
            "units/a.service": "1",
            "units/b.service": "1",
            "a": "1",
            "cfg/a": "1",
            "ssl/a.pem": "1",
            "ssl/a.key": "1",
        },
        "units": ["b.service", "a.service"],
        "flags": {"a.service": {"v": "1"}},
        "restartOn": {"a.service": ["units/a.service", "a", "cfg/a"], "b.service": ["units/b.service"]},
        "reloadOn": {"b.service": ["ssl/a.pem"]},
        "material": {"ssl/a.pem": "leaf:cert", "ssl/a.key": "leaf:key"},
        "versions": {"a": "1.0"},
    } | changes


def manifest(**changes: str) -> dict[str, str]:
    """The manifest of `release` with some digests changed; `__` stands for a slash, `_` for a dot."""
    return release()["manifest"] | {k.replace("__", "/").replace("_", "."): v for k, v in changes.items()}


def update(name: str, old: dict[str, Any], new: dict[str, Any]) -> Step:
    return Step("update", f"{PREFIX}hardway:node:NodeRelease::{name}", old, {}, new)


def activation(name: str, operation: str = "update") -> Step:
    return Step(operation, f"{PREFIX}hardway:etcd:EtcdCluster$command:remote:Command::{name}-activate")


def preview(*steps: Step) -> Preview:
    return Preview("s", steps)


def only_node(new: dict[str, Any], old: dict[str, Any] | None = None) -> Any:
    (node,) = node_changes(preview(update("n", old or release(), new | {"digest": "e"}), activation("n")))
    return node


def test_units_are_acted_on_as_the_machine_will() -> None:
    node = only_node(release(manifest=manifest(cfg__a="2", ssl__a_pem=UNKNOWN, ssl__a_key=UNKNOWN)))
    assert node.restarts == {"a.service": ("cfg/a",)}
    assert node.reloads == {"b.service": ("ssl/a.pem",)}
    assert (node.certificates, node.files) == (("ssl/a.pem",), ("cfg/a",))


def test_a_restart_makes_a_reload_needless() -> None:
    node = only_node(release(manifest=manifest(units__b_service="2", ssl__a_pem="2")))
    assert (dict(node.restarts), dict(node.reloads)) == ({"b.service": ("units/b.service",)}, {})


def test_another_list_of_what_is_watched_restarts() -> None:
    watched = release()["restartOn"] | {"a.service": ["units/a.service", "a"]}
    assert only_node(release(restartOn=watched)).restarts == {"a.service": ("cfg/a",)}


def test_units_that_come_and_go() -> None:
    more = {**manifest(), "units/c.service": "1"}
    assert only_node(release(manifest=more, units=["b.service", "a.service", "c.service"])).started == ("c.service",)
    assert only_node(release(), release(manifest=more)).stopped == ("c.service",)


def test_a_release_of_an_older_program_is_compared_by_its_outputs() -> None:
    step = Step(
        "update", f"{PREFIX}hardway:node:NodeRelease::n", {}, {"digest": "d", "manifest": manifest()}, release()
    )
    assert node_changes(preview(step)) == ()
    changed = release(digest="e", manifest=manifest(cfg__a="2"))
    (node,) = node_changes(preview(Step("update", step.urn, {}, step.old_outputs, changed), activation("n")))
    assert (node.restarts, node.flags) == ({"a.service": ("cfg/a",)}, {})


def test_a_node_that_is_staged_again() -> None:
    stage = Step("update", f"{PREFIX}hardway:node:NodeRelease$command:remote:Command::n-stage")
    assert [node.kind for node in node_changes(preview(stage))] == ["staged"]


def test_nodes_with_the_same_change_are_listed_together_in_the_order_of_the_rollout() -> None:
    new = release(digest="e", flags={"a.service": {"v": "2"}}, manifest=manifest(units__a_service="2"))
    names = ("cp-2", "cp-1", "worker-1")
    text = render(preview(*(update(name, release(), new) for name in sorted(names)), *map(activation, names)), NOW)
    assert "Order: `cp-2` → `cp-1` → `worker-1`." in text
    assert "**`cp-2`, `cp-1`, `worker-1`**\n- restarts `a` (unit file)\n- flag `--v` of `a`: `1` → `2`\n" in text


def test_reasons_names_and_ends_of_certificates() -> None:
    leaf = f"{PREFIX}{LEAF}::leaf"
    old = {"validityEndTime": "2027-01-01T00:30:00+01:00"}
    steps = (
        Step("replace", leaf, {}, old, {"validityPeriodHours": 36.0}, ("certRequestPem",)),
        Step(
            "replace",
            f"{PREFIX}tls:index/certRequest:CertRequest::leaf",
            {"dnsNames": ["a", "b"]},
            {},
            {"dnsNames": ["b", "c"]},
        ),
        Step("replace", f"{PREFIX}tls:index/privateKey:PrivateKey::leaf"),
    )
    (found,) = certificate_changes(preview(*steps))
    assert (found.ends, found.hours, found.new_key) == ("2026-12-31 23:30 UTC", 36.0, True)
    assert (found.names_added, found.names_removed) == (("c",), ("a",))
    assert "| `leaf` | renewed | 2026-12-31 23:30 UTC | 36 hours |" in render(preview(*steps), NOW)
    assert other_changes(preview(*steps)) == ()


@pytest.mark.parametrize(
    "type_", ["pulumi:index:Stash", "tls:index/privateKey:PrivateKey", "command:remote:Command", "any:thing/new:New"]
)
@pytest.mark.parametrize("operation", ["create", "update", "replace", "delete"])
def test_whatever_is_not_known_is_told(type_: str, operation: str) -> None:
    assert "| `service-account-1` |" in render(preview(Step(operation, f"{PREFIX}{type_}::service-account-1")), NOW)


def test_objects_show_images_and_nothing_else() -> None:
    def deployment(image: str) -> dict[str, Any]:
        containers = [{"name": "c", "image": image, "env": [{"name": "N", "value": "hidden"}]}]
        return {
            "metadata": {"name": "d", "namespace": "ns"},
            "spec": {"template": {"spec": {"containers": containers}}},
        }

    urn = f"{PREFIX}kubernetes:apps/v1:Deployment::d"
    step = Step("update", urn, deployment("r/c:1@sha256:aa"), {}, deployment("r/c:2@sha256:bb"), (), ("spec.template",))
    (change,) = kubernetes_changes(preview(step))
    assert (change.name, change.changed) == ("ns/d", ("image r/c:1 -> r/c:2", "spec.template"))
    assert "hidden" not in render(preview(step), NOW)


def findings(*found: tuple[str, str]) -> str:
    """The lines about findings of one policy, from pairs of resource and message."""
    text = render(
        Preview("s", (), tuple(Finding(True, "p", f"About.\n{message}", name) for name, message in found)), NOW
    )
    return "\n".join(line for line in text.splitlines() if line.startswith("- "))


def test_findings_that_differ_only_in_the_leading_resource_name_are_one_line() -> None:
    found = findings(("b", "b: too long."), ("a", "a: too long."), ("c", "c: too short."))
    assert found == "- **refused** by `p`: `too long.` — `a`, `b`\n- **refused** by `p`: `too short.` — `c`"


def test_a_finding_always_names_its_resource_once() -> None:
    """Also if the rest of the sentence contains the name as a part of another name."""
    assert findings(("a", "a: older than a-1.")) == "- **refused** by `p`: `older than a-1.` — `a`"
    assert findings(("a", "open port of a.")) == "- **refused** by `p`: `open port of a.`"
    assert findings(("", "one member.")) == "- **refused** by `p`: `one member.`"


# --- reading -----------------------------------------------------------------------------------------------------


def test_a_preview_that_was_killed_is_not_taken_for_whole() -> None:
    event = {"resourcePreEvent": {"metadata": {"op": "same", "urn": f"{PREFIX}a:b:C::n"}}}
    text = render(read(json.dumps(event) + '\n{"resourcePre'), NOW)
    assert "it failed, so this report is incomplete" in text
    assert "nothing changes" not in text


@pytest.mark.parametrize("text", ["hello", "[1]", "1", '{"a": 1}\nhello\n{"b": 1}'])
def test_what_is_no_preview_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"neither an event log nor `pulumi preview --json`"):
        read(text)


# --- writing -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("plain", "`plain`"),
        ("a`b", "``a`b``"),
        ("`a", "`` `a ``"),
        ("a\n\n@team <b>", "`a @team <b>`"),
        ("", "` (empty) `"),
        ("x" * 400, f"`{'x' * 299}…`"),
        ("\u202eview\u2066x", "`view x`"),
    ],
)
def test_foreign_text_is_one_code_span(text: str, written: str) -> None:
    assert code(text) == written


def test_a_bar_does_not_end_a_cell() -> None:
    assert row([code("a|b")]) == "| `a\\|b` |"


@pytest.mark.parametrize("columns", [(), ("kind", "name")])
def test_a_report_is_cut_to_size_and_says_so(columns: tuple[str, ...]) -> None:
    items = tuple(row((code(f"ß{number}"), code("x" * 80))) if columns else f"- {number:090}" for number in range(5000))
    text = join("head", [Section("Short", ("- one",)), Section("Long", items, columns=columns)], "foot")
    assert len(text.encode()) <= LIMIT
    kept = len(re.findall(r"^(?:\| `ß|- \d)", text, re.MULTILINE))
    assert f"… and {5000 - kept} more, left out for size" in text
    assert kept > 100
    assert text.count("<details>") == text.count("</details>") == bool(columns)
    assert text.startswith("head\n") and "- one" in text and text.endswith("foot\n")


def test_items_that_are_too_large_alone_are_left_out() -> None:
    assert len(join("head", [Section("One", ("x" * 70_000,))], "").encode()) < 1000


def test_a_large_cluster_fits() -> None:
    new = release(digest="e", manifest=manifest(ssl__a_pem=UNKNOWN))
    names = [f"node-{number:04}" for number in range(1000)]
    steps = [
        step
        for name in names
        for step in (update(name, release(), new | {"flags": {"a.service": {"v": name}}}), activation(name))
    ]
    steps += [
        Step("replace", f"{PREFIX}{LEAF}::{name}-{use}", {}, {}, {}, ("readyForRenewal",))
        for name in names
        for use in "abc"
    ]
    text = render(preview(*steps), NOW)
    assert len(text.encode()) <= LIMIT
    assert "1000 nodes to change" in text and "3000 certificates to renew" in text
