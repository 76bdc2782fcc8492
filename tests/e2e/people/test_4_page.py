"""People leave the page: their credentials stay valid, and have no rights any more."""

from tests.e2e.people.desk import Desk
from tests.e2e.people.page import ACCESS, DORA, GROUPS, SHOP
from tests.e2e.people.provider import Provider
from tests.e2e.support.cluster import Cluster
from tests.e2e.support.process import ask
from tests.e2e.support.units import invocations, restarted


def test_who_leaves_the_page_has_no_right_after_up(cluster: Cluster, provider: Provider, desk: Desk) -> None:
    """A user, a group and a developer, with tokens and certificates from before. Nothing restarts, others stay."""
    people = {name: desk.with_token(name, provider.token(name)) for name in ("rita", "paul", "anna")}
    people[DORA] = desk.with_certificate(DORA)
    does = {"rita": f"deployments --namespace={SHOP}", "paul": "pods --namespace=kube-system"}
    does |= dict.fromkeys(("anna", DORA), f"pods --namespace={SHOP}")
    for name, what in does.items():
        people[name]("get", *what.split()).ok()
    before, access = invocations(cluster), cluster.stack.page[ACCESS]
    developers = [one for one in access["developers"] if one["name"] != DORA]
    cluster.change({ACCESS: {**access, "developers": developers, "groups": GROUPS, "users": []}})
    cluster.up()
    assert restarted(before, invocations(cluster)) == set()
    people["anna"]("get", *does["anna"].split()).ok()
    for name in ("rita", "paul", DORA):
        people[name]("auth", "whoami").ok()
        answer = people[name]("get", *does[name].split())
        assert answer.code != 0 and "is forbidden" in answer.stderr, f"{name}: {answer.text}"
    command, environment = cluster.stack.starting("access")
    told = ask(command, cwd=cluster.stack.clone.root, env=environment, timeout=120)
    assert told.code == 0, told.text
    assert "oidc:shop" in told.stdout and "oidc:platform" not in told.stdout, told.stdout
