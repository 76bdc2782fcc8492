"""The calendar as text: columns, dates, and names that are too long."""

from datetime import UTC, datetime, timedelta

from tools.certificates.rows import Kubelet, calendar
from tools.certificates.table import WIDTH, lines

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
KEY = {"name": "service-account-1", "use": "service-account", "generation": 1, "active": True}
SILENT = Kubelet("cp-2", None, "does not answer")


def entry(name: str) -> dict[str, str]:
    times = {"notAfter": "2026-12-01T00:00:00Z", "renewedFrom": "2026-11-20T23:59:59Z"}
    return {"name": name, "use": "client", "issuer": "etcd-ca-10"} | times


def test_the_whole_table() -> None:
    kubelets = [Kubelet("cp-1", NOW + timedelta(days=300.25), "answers"), SILENT]
    rows = calendar([entry("cp-1-etcd-peer")], [KEY], kubelets, ["cp-1"], NOW)
    assert list(lines(rows, NOW)) == [
        "NAME                 USE              GEN  ISSUER         ENDS        DAYS   RENEWAL     STATE",
        "cp-1-etcd-peer       client           10   etcd-ca-10     2026-12-01  9.5    2026-11-20  due",
        "cp-1-kubelet-client  client           -    kubernetes-ca  2027-09-17  300.2  by kubelet  valid",
        "cp-2-kubelet-client  client           -    kubernetes-ca  -           -      by kubelet  does not answer",
        "service-account-1    service-account  1    -              -           -      -           active",
    ]


def test_a_name_that_is_too_long_has_a_line_of_its_own() -> None:
    """The name stays whole, and the row below it stays in its columns."""
    name = "a-node-with-a-long-name.example.com-kube-controller-manager-server"
    text = list(lines(calendar([entry(name), entry("short")], [KEY], [SILENT], (), NOW), NOW))
    assert max(map(len, text)) <= WIDTH
    place = text.index(name)
    use = text[0].index("USE")
    assert text[place + 1][:use].strip() == "" and text[place + 1][use:].startswith("client ")
    assert any(line.startswith("short ") and line[use:].startswith("client ") for line in text)


def test_no_rows_are_a_heading() -> None:
    assert [line.split()[0] for line in lines((), NOW)] == ["NAME"]
