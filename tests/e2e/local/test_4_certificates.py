"""`make certificates`: every leaf, every kubelet, a drawing, and a kubelet that does not answer."""

import re
from datetime import UTC, datetime
from typing import Any
from xml.etree import ElementTree

from tests.e2e.support.cluster import Cluster
from tests.e2e.support.process import Answer, ask
from tests.wait import eventually

SVG = "{http://www.w3.org/2000/svg}"
SIGNED_DAYS = 7
"""`pki.signingLifetime`, which this stack leaves as it is."""


def test_every_certificate_is_printed_and_drawn(cluster: Cluster) -> None:
    """All of the output `certificates` with their end, and each kubelet with an end in the future within a week."""
    path = cluster.stack.folder / "certificates.svg"
    path.unlink(missing_ok=True)
    answer = _certificates(cluster, f"SVG={path}")
    rows = _rows(answer.ok())
    entries: list[dict[str, Any]] = cluster.stack.output("certificates")
    kubelets = {f"{name}-kubelet-client" for name in cluster.machines}
    keys = (
        {entry["name"] for entry in cluster.stack.output("keys")} if "no output `keys`" not in answer.stderr else set()
    )
    assert rows.keys() == {entry["name"] for entry in entries} | kubelets | keys
    for entry in entries:
        name, end, renewal = (entry[key] for key in ("name", "notAfter", "renewedFrom"))
        assert entry["issuer"] in rows[name], name
        assert re.findall(r"\d{4}-\d\d-\d\d", rows[name]) == [end[:10], renewal[:10]], rows[name]
        assert rows[name].endswith(" valid"), rows[name]
    today = datetime.now(UTC).date()
    for name in sorted(kubelets):
        (end,) = re.findall(r"\d{4}-\d\d-\d\d", rows[name])
        days = (datetime.fromisoformat(end).date() - today).days
        assert 0 < days <= SIGNED_DAYS, rows[name]
        assert rows[name].endswith("by kubelet valid"), rows[name]
    drawing = ElementTree.parse(path).getroot()  # noqa: S314 - the tool wrote the file
    titles = [str(row.findtext(f"{SVG}title")) for row in drawing.iter(f"{SVG}g") if row.get("class") == "row"]
    assert {title.partition(",")[0].removeprefix("name ") for title in titles} == rows.keys()


def test_the_end_is_that_of_the_file_of_the_kubelet(cluster: Cluster) -> None:
    """By the certificate that the kubelet uses, on its machine."""
    rows = _rows(_certificates(cluster).ok())
    show = "openssl x509 -noout -enddate -in /var/lib/kubelet/pki/kubelet-client-current.pem"
    for name, machine in cluster.machines.items():
        text = machine.run(show).ok().strip().removeprefix("notAfter=")
        end = datetime.strptime(text, "%b %d %H:%M:%S %Y GMT").replace(tzinfo=UTC)
        # The metric is in whole seconds, so the day may differ at midnight.
        (told,) = re.findall(r"\d{4}-\d\d-\d\d", rows[f"{name}-kubelet-client"])
        assert abs((datetime.fromisoformat(told).replace(tzinfo=UTC) - end).total_seconds()) <= 86400 + 60, name


def test_a_kubelet_that_does_not_answer_is_a_line(cluster: Cluster) -> None:
    """The command succeeds, and all other lines are as before."""
    silent = cluster.having("worker")[0]
    silent.run("systemctl stop kubelet").ok()
    try:
        answer = _certificates(cluster)
    finally:
        silent.run("systemctl start kubelet").ok()
    rows = _rows(answer.ok())
    states = {name: rows[f"{name}-kubelet-client"] for name in cluster.machines}
    assert states.pop(silent.name).endswith("does not answer")
    assert all(state.endswith("by kubelet valid") for state in states.values()), states
    assert f"no answer from the kubelet of {silent.name}: " in answer.stderr

    def answers() -> None:
        again = _rows(_certificates(cluster).ok())
        assert again[f"{silent.name}-kubelet-client"].endswith("by kubelet valid")
        assert cluster.readiness() == dict.fromkeys(cluster.machines, "True")

    eventually(answers, 60, "the kubelet answers again")


def _certificates(cluster: Cluster, *variables: str) -> Answer:
    command, environment = cluster.stack.starting("certificates")
    return ask([*command, *variables], cwd=cluster.stack.clone.root, env=environment, timeout=120)


def _rows(text: str) -> dict[str, str]:
    """The rows of the table by name, with single spaces. A long name has a line of its own above its row."""
    heading, *lines = text.splitlines()
    assert heading.split() == ["NAME", "USE", "GEN", "ISSUER", "ENDS", "DAYS", "RENEWAL", "STATE"]
    rows: dict[str, str] = {}
    name = ""
    for line in lines:
        assert len(line) <= 120, line
        first, _, rest = " ".join(line.split()).partition(" ")
        if line.startswith(" "):
            rows[name] = f"{first} {rest}"
        elif rest:
            rows[first] = rest
        else:
            name = first
    return rows
