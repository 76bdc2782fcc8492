"""The network of a pod, for programs of its machine or of this host that have to come from there."""

from tests.e2e.support.machines import Machine

_CRICTL = "PATH=/opt/kubernetes/bin:$PATH CRI_CONFIG_FILE=/opt/kubernetes/cfg/crictl.yaml crictl"
_PATH = '{{range .info.runtimeSpec.linux.namespaces}}{{if eq .type "network"}}{{.path}}{{end}}{{end}}'


def network_of(machine: Machine, namespace: str, pod: str) -> str:
    """The path of the network namespace of a pod, on its machine."""
    find = f"{_CRICTL} pods --quiet --state Ready --namespace '^{namespace}$' --name '^{pod}$'"
    # /var/run is a link to /run, which another root directory would lead elsewhere.
    inspect = f"readlink -f $({_CRICTL} inspectp --output go-template --template '{_PATH}' $({find}))"
    path = machine.run(inspect).ok().strip()
    assert path.startswith("/"), f"{namespace}/{pod}: {path}"
    return path
