# Verbs that read and change the cluster from one of its control-plane nodes. POSIX sh.
#
# components/membership/removed_nodes.py sends etcd_ask.sh, drain.sh and this text to `sh -s` on that node, as root, and then one
# request per line: `request VERB ARGUMENT ...`. The answer is the output of the verb, or its error, and a last line
# `@end EXIT-CODE`. components/membership/removed_nodes.py makes all decisions. If the connection ends, then this shell ends.
# Set before this text:
#   root, digest   the folder with the releases, and the name of the current release
#   clients        client URLs of the etcd members that may be asked
# shellcheck shell=sh disable=SC2034,SC2154 # variables that the three texts share
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
at=$root/ssl/kube-apiserver
tls="--cacert=$at/etcd-ca.pem --cert=$at/etcd-client.pem --key=$at/etcd-client.key"
# drain.sh drains its own node with a kubelet's credential; here it drains other nodes, with the maintenance credential.
kubeconfig=$root/cfg/maintenance.kubeconfig
credential=$root/ssl/maintenance/client.pem credential_key=$root/ssl/maintenance/client.key
refusals=$work/drain cordoned=$work/cordoned
node_name() { echo "$node"; }

say() { :; }
fail() { echo "$*" >&2; exit 1; }

request() {
    (set -e && "$@") </dev/null >"$work/output" 2>"$work/problem"
    code=$?
    if [ "$code" = 0 ]; then cat "$work/output"; else cat "$work/problem"; fi
    echo "@end $code"
}

is_healthy() { ctl --endpoints="https://$1:2379" endpoint health >/dev/null 2>&1 </dev/null; }

# "ID STATUS NAME ADDRESS LEARNER healthy|sick" for each etcd member.
list_members() {
    members || fail "$problem"
    echo "$list" | while read -r id status name peer learner; do
        address=$(echo "$peer" | sed 's|^https://||; s|:[0-9]*$||')
        health=sick
        ! is_healthy "$address" || health=healthy
        echo "$id $status $name $address $learner $health"
    done
}

remove_member() { # ID ADDRESS SUCCESSOR-ID
    # A leader hands over its leadership first. A member that is not the leader refuses, which does no harm.
    ctl --endpoints="https://$2:2379" move-leader "$3" >/dev/null 2>&1 || true
    ask member remove "$1" || fail "$problem"
}

# "NAME READY MACHINE-ID" of our nodes. READY is the status of the condition Ready: Unknown if no kubelet answers.
list_nodes() {
    # shellcheck disable=SC2016 # the dollar signs are the template's
    kube get nodes --selector=app.kubernetes.io/managed-by=hardway --output 'go-template={{range .items -}}
{{$status := "Unknown"}}{{range .status.conditions}}{{if eq .type "Ready"}}{{$status = .status}}{{end}}{{end -}}
{{.metadata.name}} {{$status}} {{or .status.nodeInfo.machineID "-"}}
{{end}}'
}

cordon_node() { # NAME
    node=$1
    cordon true
}

drain_node() { # NAME SECONDS
    node=$1
    drain "$2"
}

# Whether the kubelet of the node does not answer any more, so that nothing ends the pods of the node.
is_silent() { list_nodes 2>/dev/null | grep -q "^$node Unknown "; }
