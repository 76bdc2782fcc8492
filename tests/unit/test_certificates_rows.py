"""Rows of the calendar: states at a given time, generations, nodes, keys, kubelets, and their order."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from components.pki.inventory import entry
from tools.certificates.rows import Kubelet, Row, calendar, due_within

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
DAY = timedelta(days=1)


def made(
    name: str, use: str = "server", *, days: float = 300, window: int = 30, issuer: str = "kubernetes-ca-1"
) -> Any:
    """An entry as the program exports it: `days` are left, `window` days before the end the renewal starts."""
    end = (NOW + days * DAY).isoformat()
    known = {"name": name, "use": use, "subject": "CN=x", "sans": (), "issuer": issuer}
    return entry(**known, not_after=end, renew_before_hours=24 * window)


def only(certificate: Any, *nodes: str) -> Row:
    (row,) = calendar([certificate], (), (), nodes, NOW)
    return row


@pytest.mark.parametrize(
    ("days", "state"),
    [(31, "valid"), (30, "due"), (29, "due"), (1 / 86400, "due"), (0, "expired"), (-1, "expired")],
)
def test_the_state_of_a_certificate_at_a_time(days: float, state: str) -> None:
    row = only(made("cp-1-apiserver", days=days))
    assert row.state == state
    assert row.days_left(NOW) == pytest.approx(days)
    assert (row.renewed_from, row.ends) == (NOW + (days - 30) * DAY, NOW + days * DAY)


@pytest.mark.parametrize(
    ("name", "use", "issuer", "generation", "kind"),
    [
        ("kubernetes-ca-2", "authority", "kubernetes-ca-2", 2, "authority"),
        ("kubernetes-ca-3", "authority", "CN=Org Root,O=Org", 3, "authority"),
        ("cp-1-front-proxy-client", "client", "front-proxy-ca-12", 12, "machine"),
        ("admin", "admin", "kubernetes-ca-1", 1, "person"),
        ("deployer", "deployer", "kubernetes-ca-1", 1, "person"),
        ("cp-1-etcd-peer", "peer", "an authority of another kind", None, "machine"),
    ],
)
def test_the_generation_is_that_of_the_authority(
    name: str, use: str, issuer: str, generation: int | None, kind: str
) -> None:
    row = only(made(name, use, issuer=issuer), "cp-1")
    assert (row.generation, row.kind, row.issuer) == (generation, kind, issuer)
    assert row.node == ("cp-1" if kind == "machine" else "")


def test_the_node_with_the_longest_name_counts() -> None:
    assert only(made("cp-1-etcd-peer"), "cp", "cp-1", "cp-1-etcd-2").node == "cp-1"
    assert only(made("cp-10-etcd-peer"), "cp-1").node == ""


@pytest.mark.parametrize(
    ("kubelet", "state"),
    [
        (Kubelet("cp-1", NOW + DAY, "answers"), "valid"),
        (Kubelet("cp-1", NOW - DAY, "answers"), "expired"),
        (Kubelet("cp-1", None, "answers"), "unknown"),
        (Kubelet("cp-1", None, "does not answer", "connection refused"), "does not answer"),
        (Kubelet("cp-1", None, "not asked"), "not asked"),
    ],
)
def test_each_kubelet_is_a_row(kubelet: Kubelet, state: str) -> None:
    (row,) = calendar((), (), [kubelet], ["cp-1"], NOW)
    assert (row.name, row.node, row.state, row.ends) == ("cp-1-kubelet-client", "cp-1", state, kubelet.ends)
    # The metric does not tell which generation has signed, and no `up` renews the certificate.
    assert (row.generation, row.renewed_from) == (None, None)


def test_keys_have_a_generation_and_no_end() -> None:
    keys = [
        {"name": "encryption-1", "use": "encryption", "generation": 1, "active": False},
        {"name": "encryption-2", "use": "encryption", "generation": 2, "active": True},
    ]
    rows = calendar((), keys, (), (), NOW)
    assert [(row.name, row.generation, row.state) for row in rows] == [
        ("encryption-1", 1, "trusted"),
        ("encryption-2", 2, "active"),
    ]
    assert {(row.ends, row.renewed_from, row.days_left(NOW)) for row in rows} == {(None, None, None)}


def test_what_comes_first_is_first() -> None:
    """By the start of renewal, which may come before an earlier end; what has no date comes last."""
    keys = [{"name": f"encryption-{n}", "use": "encryption", "generation": n, "active": n == 10} for n in (10, 9)]
    kubelets = [Kubelet("cp-2", None, "does not answer"), Kubelet("cp-1", NOW + 100 * DAY, "answers")]
    certificates = [made("late"), made("early", days=200, window=150), made("b", days=60), made("a", days=60.01)]
    rows = calendar(certificates, keys, kubelets, (), NOW)
    names = ["a", "b", "early", "cp-1-kubelet-client", "late", "cp-2-kubelet-client", "encryption-9", "encryption-10"]
    assert [row.name for row in rows] == names


def test_what_is_due_within_some_days() -> None:
    keys = [{"name": "k", "use": "encryption", "generation": 1, "active": True}]
    kubelets = [Kubelet("soon", NOW + 60 * DAY, "answers"), Kubelet("mute", None, "does not answer")]
    certificates = [made("on-the-day", days=90), made("later", days=91), made("ended", days=-400)]
    rows = calendar(certificates, keys, kubelets, (), NOW)
    assert [row.name for row in due_within(rows, 60, NOW)] == ["ended", "on-the-day", "soon-kubelet-client"]


@pytest.mark.parametrize("change", [{"notAfter": "[secret]"}, {"renewedFrom": ""}])
def test_an_entry_without_times_is_an_error(change: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="Invalid isoformat string"):
        only(made("a") | change)
