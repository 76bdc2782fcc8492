"""The whole page: one field per key `hardway:<key>`, and the small sections that need no file of their own."""

from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from components.architecture import AMD64
from components.config.access import Access
from components.config.admission import Admission
from components.config.artifacts import Artifacts
from components.config.authorities import Authorities
from components.config.backup import Backup, Restore
from components.config.cluster import Cluster, Versions
from components.config.etcd import Etcd
from components.config.field_values import without_nulls
from components.config.flags import ConfigField, FlagName, FlagValue
from components.config.machines import LocalSection
from components.config.names import Port, San
from components.config.network import Dns, Network
from components.config.nodes import Node
from components.config.pki import Pki
from components.config.providers import AnyMachines
from components.config.rollout import Rollout
from components.config.section import Section, listing
from components.config.webhook import Webhook


class Api(Section):
    """The API servers."""

    extra_sans: tuple[San, ...] = ()
    """Further names and addresses in the API servers' certificates."""
    port: Port = 6443
    """Port of every API server."""


class ExtraArgs(Section):
    """Further command line flags per component, without leading dashes. Flags that hardway sets itself are refused."""

    kube_apiserver: dict[FlagName, FlagValue] = Field(default_factory=dict, alias="kube-apiserver")
    """Flags of the API server."""
    kube_controller_manager: dict[FlagName, FlagValue] = Field(default_factory=dict, alias="kube-controller-manager")
    """Flags of the controller manager."""
    kube_scheduler: dict[FlagName, FlagValue] = Field(default_factory=dict, alias="kube-scheduler")
    """Flags of the scheduler."""
    kubelet: dict[FlagName, FlagValue] = Field(default_factory=dict)
    """Flags of the kubelet. Most of its settings are fields of its configuration file: `extraConfig`."""
    etcd: dict[FlagName, FlagValue] = Field(default_factory=dict)
    """Flags of etcd."""


class ExtraConfig(Section):
    """Further fields of configuration files. Fields that hardway sets itself are refused."""

    kubelet: Annotated[dict[ConfigField, Any], BeforeValidator(without_nulls)] = Field(default_factory=dict)
    """Fields of KubeletConfiguration (kubelet.config.k8s.io/v1beta1)."""
    kube_proxy: Annotated[dict[ConfigField, Any], BeforeValidator(without_nulls)] = Field(
        default_factory=dict, alias="kube-proxy"
    )
    """Fields of KubeProxyConfiguration (kubeproxy.config.k8s.io/v1alpha1)."""


class Page(Section):
    """Everything that a user can set for a cluster. All keys but `cluster` and `nodes` have defaults."""

    cluster: Cluster
    """The cluster as a whole."""
    versions: Versions = Versions()
    """Versions of the parts."""
    machines: AnyMachines = LocalSection()
    """Where the machines come from."""
    nodes: Annotated[tuple[Node, ...], listing("at least one node, each with a name and roles", least=1)]
    """Which machines there are and what each does."""
    network: Network = Network()
    """Addresses of pods and services."""
    dns: Dns = Dns()
    """CoreDNS."""
    pki: Pki = Pki()
    """The certificates of the cluster."""
    authorities: Authorities = Authorities()
    """Authorities that the program does not make, such as intermediates of an organisation: docs/certificates.md."""
    etcd: Etcd = Etcd()
    """etcd."""
    backup: Backup | None = None
    """Snapshots of etcd: docs/backup.md. Unset: none are taken."""
    restore: Restore | None = None
    """A snapshot that takes the place of the data of etcd: docs/backup.md. The section may stay after the restore."""
    api: Api = Api()
    """The API servers."""
    access: Access = Access()
    """Who may use the cluster besides its admin."""
    admission: Admission = Admission()
    """Plugins of admission of the API servers: docs/admission.md."""
    rollout: Rollout = Rollout()
    """How changes of a running cluster reach its workers."""
    extra_args: ExtraArgs = ExtraArgs()
    """Further command line flags per component. Some defaults follow the number of nodes: docs/scale.md."""
    extra_config: ExtraConfig = ExtraConfig()
    """Further fields of configuration files."""
    artifacts: Artifacts = Artifacts()
    """Where nodes get binaries and images from."""

    @property
    def webhooks(self) -> dict[str, Webhook]:
        """The services outside of the cluster that API servers ask, and show a certificate to, by path on the page."""
        given = {
            "access.tokenWebhook": self.access.token_webhook,
            "access.authorizationWebhook": self.access.authorization_webhook,
            "admission.imagePolicyWebhook": self.admission.image_policy_webhook,
        }
        return {path: one for path, one in given.items() if one is not None}

    def architecture_of(self, node: Node) -> str:
        """The architecture of the machine of a node."""
        return self.machines.architecture_of(node.roles) or node.architecture or AMD64

    @property
    def architectures(self) -> tuple[str, ...]:
        """The architectures of all nodes, each once, sorted."""
        return tuple(sorted({self.architecture_of(node) for node in self.nodes}))
