"""Everything that is built from source: the Go module of each program, and the images.

Each folder in `go` pins one module and its dependencies in its own go.mod and go.sum. The versions are repeated here,
because the build writes them into the programs. A unit test compares them with the go.mod files and requirements.txt.
"""

from dataclasses import dataclass, replace

PULUMI = "3.259.0"
KUBERNETES_DEFAULT = "1.37.1"
KUBERNETES_VERSIONS = ("1.36.4", KUBERNETES_DEFAULT)


@dataclass(frozen=True)
class Program:
    """One executable file."""

    name: str
    version: str
    """The version, without a leading v."""
    folder: str
    """The folder of the module, in `go`."""
    package: str
    """The import path of the main package."""
    stamps: tuple[str, ...] = ()
    """Go string variables that are set at link time: `package.variable=value`."""
    tags: tuple[str, ...] = ()
    """Go build tags."""
    uses_c: bool = False
    """Whether the program needs C. It is then linked statically, so that it runs with every C library."""
    preparation: str | None = None
    """The step of preparations.py that has to run before `go build`."""
    artifact: str | None = None
    """The artifact of the lock file that contains this program. None if nodes never fetch the program."""
    is_test: bool = False
    """Whether the program is the test binary of the package (`go test -c`)."""


@dataclass(frozen=True)
class Image:
    """One container image."""

    name: str
    version: str
    reference: str
    """The name of upstream's image."""


def _kubernetes(version: str, name: str) -> Program:
    major, minor, _ = version.split(".")
    values = {
        "gitVersion": f"v{version}",
        "gitMajor": major,
        "gitMinor": minor,
        "gitCommit": "",
        "gitTreeState": "clean",
    }
    packages = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
    stamps = tuple(f"{package}.{name}={value}" for package in packages for name, value in values.items())
    return Program(
        name, version, f"kubernetes-{major}.{minor}", f"k8s.io/kubernetes/cmd/{name}", stamps=stamps, artifact=name
    )


def _etcd(name: str, package: str) -> Program:
    return Program(name, "3.7.2", "etcd", f"go.etcd.io/etcd/{package}/v3", artifact="etcd")


def _containerd(name: str) -> Program:
    module = "github.com/containerd/containerd/v2"
    return Program(
        name,
        "2.4.1",
        "containerd",
        f"{module}/cmd/{name}",
        stamps=(f"{module}/version.Version=v2.4.1",),
        tags=("urfave_cli_no_docs",),
        artifact="containerd",
    )


def _cni(name: str, kind: str, version: str = "1.9.1", artifact: str = "cni-plugins") -> Program:
    module = "github.com/containernetworking/plugins"
    stamps = (f"{module}/pkg/utils/buildversion.BuildVersion=v{version}",)
    return Program(name, version, artifact, f"{module}/plugins/{kind}/{name}", stamps=stamps, artifact=artifact)


def _flannel(name: str, package: str, *, uses_c: bool) -> Program:
    module = "github.com/flannel-io/flannel"
    stamps = (f"{module}/pkg/version.Version=v0.28.9",)
    return Program(name, "0.28.9", "flannel", f"{module}{package}", stamps=stamps, uses_c=uses_c)


def _plugin(name: str, version: str, stamp: str = "main.version", preparation: str | None = None) -> Program:
    return Program(
        f"pulumi-resource-{name}",
        version,
        f"pulumi-{name}",
        ".",
        stamps=(f"{stamp}={version}",),
        preparation=preparation,
    )


# The engine, which is needed unless the user has an official one. The language host has the version of the engine.
ENGINE = (
    Program(
        "pulumi",
        PULUMI,
        "pulumi",
        "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi",
        stamps=(f"github.com/pulumi/pulumi/sdk/v3/go/common/version.Version=v{PULUMI}",),
    ),
    Program(
        "pulumi-language-python",
        PULUMI,
        "pulumi-language-python",
        ".",
        stamps=(f"main.version={PULUMI}",),
        preparation="language_exec",
    ),
)
PLUGINS = (
    _plugin("command", "1.2.1"),
    _plugin("tls", "5.3.1", "example.invalid/tools/pulumi-resource-tls/info.Version", "tls_schema"),
    _plugin("kubernetes", "4.25.0", preparation="kubernetes_schema"),
)
# The AWS plugin of the tests, built only on request: see go/pulumi-aws/main.go.
AWS_PLUGIN = _plugin("aws", "7.51.1")
KUBERNETES_PROGRAMS = (
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kube-proxy",
    "kubelet",
    "kubectl",
)
NODE = (
    _etcd("etcd", "server"),
    _etcd("etcdctl", "etcdctl"),
    _etcd("etcdutl", "etcdutl"),
    _containerd("containerd"),
    _containerd("containerd-shim-runc-v2"),
    _containerd("ctr"),
    Program("runc", "1.5.2", "runc", "github.com/opencontainers/runc", tags=("seccomp",), uses_c=True, artifact="runc"),
    _cni("bridge", "main"),
    _cni("host-local", "ipam"),
    _cni("loopback", "main"),
    _cni("portmap", "meta"),
    _cni("flannel", "meta", "0.9.1", "cni-flannel"),
    Program(
        "crictl",
        "1.36.0",
        "crictl",
        "sigs.k8s.io/cri-tools/cmd/crictl",
        stamps=("sigs.k8s.io/cri-tools/pkg/version.Version=v1.36.0",),
        artifact="crictl",
    ),
)
FLANNELD = _flannel("flanneld", "", uses_c=True)
FLANNEL_INSTALL = _flannel("install-conf", "/cmd/install_conf", uses_c=False)
COREDNS = Program("coredns", "1.14.7", "coredns", "github.com/coredns/coredns")
KUBE_NETWORK_POLICIES = Program(
    "kube-network-policies",
    "0.8.0",
    "kube-network-policies",
    "sigs.k8s.io/kube-network-policies/cmd",
    preparation="kube_network_policies_queue",
)
AGNHOST = Program(
    "agnhost",
    "2.66.1",
    "kubernetes-1.37",
    "k8s.io/kubernetes/test/images/agnhost",
    stamps=("main.Version=2.66.1",),
)
# A real aggregated API for tests, built only on request: no cluster needs it.
METRICS_SERVER = Program(
    "metrics-server",
    "0.8.0",
    "metrics-server",
    "sigs.k8s.io/metrics-server/cmd/metrics-server",
    stamps=("sigs.k8s.io/metrics-server/pkg/version.gitVersion=v0.8.0",),
)
# A signing service for tests, built only on request. Newer versions need Go 1.27.
CFSSL = Program("cfssl", "1.6.5", "cfssl", "github.com/cloudflare/cfssl/cmd/cfssl")
# A server of S3 for tests, built only on request. It keeps the objects of a bucket as files of a folder.
S3_SERVER = Program(
    "versitygw",
    "1.8.0",
    "versitygw",
    "github.com/versity/versitygw/cmd/versitygw",
    stamps=("main.Version=v1.8.0",),
)
# The judge of `make cis`, built only on request, with the benchmarks of its module (the folder `cfg`).
KUBE_BENCH = Program(
    "kube-bench",
    "0.15.6",
    "kube-bench",
    "github.com/aquasecurity/kube-bench",
    stamps=("github.com/aquasecurity/kube-bench/cmd.KubeBenchVersion=v0.15.6",),
    preparation="kube_bench_benchmarks",
)
# What plays 500 nodes in `make bench`, built only on request, with the files that say how nodes and pods behave.
KWOK = Program("kwok", "0.8.0", "kwok", "sigs.k8s.io/kwok/cmd/kwok", preparation="kwok_files")
# The programs of `make conformance`, built only on request: upstream's tests, the program that runs them in parallel
# (in the version with which they are built), and programs of images that the tests use.
E2E_TEST = replace(
    _kubernetes(KUBERNETES_DEFAULT, "e2e.test"), package="k8s.io/kubernetes/test/e2e", artifact=None, is_test=True
)
GINKGO = Program("ginkgo", "2.32.0", "kubernetes-1.37", "github.com/onsi/ginkgo/v2/ginkgo")
NNP = Program("nnp", "1.4", "kubernetes-1.37", "k8s.io/kubernetes/test/images/nonewprivs")
SAMPLE_APISERVER = Program("sample-apiserver", "0.37.1", "sample-apiserver", "k8s.io/sample-apiserver")
CONFORMANCE = (GINKGO, E2E_TEST, NNP, SAMPLE_APISERVER)
# What `make bench ARGS="--against kubeadm"` compares with, built only on request. No node of hardway has it.
KUBEADM = replace(_kubernetes(KUBERNETES_DEFAULT, "kubeadm"), artifact=None)
# The pause program is one C file of the Kubernetes module, with a separate version.
PAUSE_FOLDER = "kubernetes-1.37"
IMAGE_PROGRAMS = (FLANNELD, FLANNEL_INSTALL, COREDNS, KUBE_NETWORK_POLICIES, AGNHOST)
CRANE = Program(
    "crane",
    "0.22.1",
    "crane",
    "github.com/google/go-containerregistry/cmd/crane",
    stamps=("github.com/google/go-containerregistry/cmd/crane/cmd.Version=v0.22.1",),
)
REGISTRY = Program(
    "registry",
    "3.1.2",
    "registry",
    "github.com/distribution/distribution/v3/cmd/registry",
    stamps=("github.com/distribution/distribution/v3/version.version=v3.1.2",),
)
# The shortest builds come first, so that a wrong setup fails early.
SMALL = (CRANE, REGISTRY)

IMAGES = (
    Image("pause", "3.10", "registry.k8s.io/pause:3.10"),
    Image("flannel", FLANNELD.version, f"ghcr.io/flannel-io/flannel:v{FLANNELD.version}"),
    Image("coredns", COREDNS.version, f"docker.io/coredns/coredns:{COREDNS.version}"),
    Image(
        "kube-network-policies",
        KUBE_NETWORK_POLICIES.version,
        f"registry.k8s.io/networking/kube-network-policies:v{KUBE_NETWORK_POLICIES.version}",
    ),
    Image("agnhost", AGNHOST.version, f"registry.k8s.io/e2e-test-images/agnhost:{AGNHOST.version}"),
)


TEST_IMAGES = (
    Image(
        "metrics-server",
        METRICS_SERVER.version,
        f"registry.k8s.io/metrics-server/metrics-server:v{METRICS_SERVER.version}",
    ),
)


def kubernetes(version: str) -> tuple[Program, ...]:
    """The programs of one of KUBERNETES_VERSIONS."""
    return tuple(_kubernetes(version, name) for name in KUBERNETES_PROGRAMS)


def everything() -> tuple[Program, ...]:
    """All programs in all versions."""
    versions = [program for version in KUBERNETES_VERSIONS for program in kubernetes(version)]
    on_request = (METRICS_SERVER, CFSSL, S3_SERVER, KUBE_BENCH, KUBEADM, KWOK, *CONFORMANCE)
    return (*SMALL, *ENGINE, *PLUGINS, AWS_PLUGIN, *NODE, *IMAGE_PROGRAMS, *on_request, *versions)
