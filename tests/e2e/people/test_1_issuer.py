"""An issuer comes to the page of a running cluster, with a namespace and rights for its people."""

import pytest

from tests.e2e.people.early_bird import EarlyBird
from tests.e2e.people.page import ACCESS, ADMISSION, PLUGINS, SHOP, access_of_page
from tests.e2e.people.provider import Provider
from tests.e2e.people.ways import Ways
from tests.e2e.support.cluster import Cluster
from tests.e2e.support.kubeconfig import unpack
from tests.e2e.support.progress import Say
from tests.e2e.support.units import assert_only_rolled, invocations
from tests.e2e.support.watch import watching

API_SERVER = "kube-apiserver"


@pytest.mark.proves_changes("access.oidc", "access", "access.proxy", "access.tokenWebhook", "access.tokens")
@pytest.mark.proves_changes("access.authorizationWebhook", "access.namespaces[].nodeSelector")
@pytest.mark.proves_changes("access.namespaces[].tolerations", "admission")
def test_an_issuer_is_rolled_and_a_namespace_is_limited_from_the_first_moment(
    cluster: Cluster, provider: Provider, services: Ways, say: Say
) -> None:
    """API servers restart one after the other, no request fails, and nobody gets into a namespace before its limits."""
    before = invocations(cluster)
    access = access_of_page(provider, services, cluster.stack.page[ACCESS])
    authority = unpack(cluster.stack.kubeconfig, cluster.stack.folder / "admin").ca
    anna = EarlyBird(cluster.stack.output("endpoint"), SHOP, provider.token("anna"), authority, cluster.image)
    anna.knocks.append(anna.knock())
    assert anna.knocks[0].open_pod[0] == 401, "the API knows the issuer already"
    cluster.change({ACCESS: access, ADMISSION: PLUGINS})
    with watching(cluster, ["cp-1"], [], say) as watch, anna.knocking():
        run = cluster.up()
        watch.assert_none_failed()
    say(f"  up after {run.seconds:.1f} s; {len(anna.knocks)} knocks")
    assert_only_rolled(before, cluster, cluster.having("control-plane"), API_SERVER)
    anna.knocks.append(anna.knock())
    anna.assert_limited()
    assert "violates PodSecurity" in anna.knocks[-1].open_pod[1], anna.knocks[-1]
