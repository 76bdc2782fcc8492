"""Each way to log in leaves the page: who came by it is nobody afterwards, and no request of others fails."""

from tests.e2e.people.desk import Desk, statuses
from tests.e2e.people.page import ACCESS, ADMISSION, SHOP
from tests.e2e.people.provider import Provider
from tests.e2e.people.ways import Ways
from tests.e2e.support.cluster import Cluster
from tests.e2e.support.progress import Say
from tests.e2e.support.units import assert_only_rolled, invocations
from tests.e2e.support.watch import watching

API_SERVER = "kube-apiserver"
WAYS = ("oidc", "proxy", "tokens", "tokenWebhook", "authorizationWebhook")
PODS = f"/api/v1/namespaces/{SHOP}/pods"


def test_who_came_by_a_way_that_is_gone_is_nobody(
    cluster: Cluster, provider: Provider, services: Ways, desk: Desk, say: Say
) -> None:
    """With credentials that were good before. Certificates stay; API servers restart one after the other."""
    services.tokens.start()
    services.rights.start()
    tokens = {"anna": provider.token("anna"), "robot": services.static, "bob": services.of_bob}
    for name, token in tokens.items():
        assert statuses(cluster, token) == {"201"}, name
    assert _through_proxy(services) == 200
    developer = desk.with_certificate("developer")
    before, page = invocations(cluster), cluster.stack.page
    access = {key: value for key, value in page[ACCESS].items() if key not in (*WAYS, "groups", "users")}
    cluster.change({ACCESS: access, ADMISSION: None})
    with watching(cluster, ["cp-1"], [], say) as watch:
        run = cluster.up()
        watch.assert_none_failed()
    say(f"  all ways gone after {run.seconds:.1f} s")
    assert_only_rolled(before, cluster, cluster.having("control-plane"), API_SERVER)
    for name, token in tokens.items():
        assert statuses(cluster, token) == {"401"}, name
    assert _through_proxy(services) == 401
    developer("get", "pods", "--namespace=development").ok()


def _through_proxy(services: Ways) -> int:
    return int(services.through_proxy(PODS).ok().rpartition("\n")[2])
