# Drains and uncordons the node of this machine, with the kubelet's own credential: the Node authorizer and
# NodeRestriction let a kubelet change its own Node and evict the pods that run on it, but no other Node or pod.
# Functions for apply.sh, which defines say, fail, before_deadline, version_of, root, and digest, the next release.
# shellcheck disable=SC2154
kubeconfig=${HARDWAY_SYSROOT:-}/var/lib/kubelet/kubeconfig
credential=${HARDWAY_SYSROOT:-}/var/lib/kubelet/pki/kubelet-client-current.pem
credential_key=$credential
cordoned=$root/cordoned # exists while this script has cordoned the node; a person did not
refusals=$root/.drain   # the answers of the API, by pod
poll_seconds=1

kube() { NO_PROXY='*' "$root/releases/$digest/bin/kubectl" --kubeconfig="$kubeconfig" --request-timeout=10s "$@"; }
# The kubelet's flag names the node; the name may differ from the host's name.
node_name() { sed -n 's/^ *--hostname-override=\([^ ]*\).*/\1/p' "$root/releases/$digest/units/kubelet.service"; }
cordon() { kube patch node "$(node_name)" --patch "{\"spec\":{\"unschedulable\":$1}}" >/dev/null; }

# Whether the kubelet does not answer, so that nothing ends the pods of the node. cluster.sh replaces this function.
is_silent() { false; }

# Drains the node within $1 seconds. If pods are left after that, uncordons the node and fails with the reason.
drain() {
    drain_until=$(($(date +%s) + $1))
    rm -rf "$refusals"
    mkdir "$refusals"
    say "draining: pods have ${1} s to leave"
    unschedulable=$(kube get node "$(node_name)" --output 'go-template={{.spec.unschedulable}}') ||
        fail 'cannot drain: the API does not show this node to its kubelet'
    if [ "$unschedulable" != true ]; then
        : >"$cordoned"
        cordon true || fail 'cannot drain: the API does not let the kubelet cordon its node'
    fi
    until evict_all; do
        ! is_silent || break
        if [ "$(date +%s)" -ge "$drain_until" ]; then
            why=$(explain)
            rm -rf "$refusals"
            uncordon || say 'the node stays cordoned: the kubelet could not uncordon it through the API' >&2
            fail "these pods did not leave within ${1} s, so nothing was changed here:$why"
        fi
        sleep "$poll_seconds"
    done
    rm -rf "$refusals"
    say 'is drained'
}

# "NAMESPACE POD going|stays" for each pod that has to leave. Left out: pods of DaemonSets (they would come back at
# once), mirror pods (the API does not own them), and finished pods.
pods_to_move() {
    # shellcheck disable=SC2016 # the dollar signs are the template's
    kube get pods --all-namespaces --field-selector "spec.nodeName=$(node_name)" --output 'go-template={{range .items -}}
{{- $stays := or (eq .status.phase "Succeeded") (eq .status.phase "Failed") -}}
{{- range $key, $value := .metadata.annotations}}{{if eq $key "kubernetes.io/config.mirror"}}{{$stays = true}}{{end}}{{end -}}
{{- range .metadata.ownerReferences}}{{if eq .kind "DaemonSet"}}{{$stays = true}}{{end}}{{end -}}
{{- if not $stays}}{{.metadata.namespace}} {{.metadata.name}} {{if .metadata.deletionTimestamp}}going{{else}}stays{{end}}
{{end}}{{end}}'
}

# Evicts every pod; true if no pod is left.
evict_all() {
    pods_to_move >"$refusals/list" 2>"$refusals/problem" || return 1
    mv "$refusals/list" "$refusals/pods"
    while read -r namespace pod state; do
        [ "$state" = going ] || evict "$namespace" "$pod"
    done <"$refusals/pods"
    [ ! -s "$refusals/pods" ]
}

# A refusal (429: a PodDisruptionBudget) or another failure is noted, and the eviction is tried again later. Not with
# kubectl: its message leaves out the reason of the budget, and it waits by itself.
evict() {
    body="{\"apiVersion\":\"policy/v1\",\"kind\":\"Eviction\",\"metadata\":{\"namespace\":\"$1\",\"name\":\"$2\"}}"
    server=$(sed -n 's/^ *"\{0,1\}server"\{0,1\}: "\{0,1\}\([^",]*\).*/\1/p' "$kubeconfig")
    status=$(curl -sS --noproxy '*' --max-time 10 --cacert "$root/ssl/kubernetes-ca.pem" --cert "$credential" --key "$credential_key" \
        --header 'Content-Type: application/json' --data "$body" --output "$refusals/answer" --write-out '%{http_code}' "$server/api/v1/namespaces/$1/pods/$2/eviction?pretty=true" \
        2>"$refusals/problem") || status=000
    case $status in
    20? | 404) rm -f "$refusals/$1 $2" ;;
    000) cp "$refusals/problem" "$refusals/$1 $2" ;;
    *) sed -n 's/^ *"message": "\(.*\)",\{0,1\}$/\1/p' "$refusals/answer" | paste -sd' ' - >"$refusals/$1 $2" ;;
    esac
}

# " NAMESPACE/POD: the answer of the API to the eviction;" for each pod that is left.
explain() {
    [ -e "$refusals/pods" ] || { printf ' which pods is not known: %s' "$(tail -n 1 "$refusals/problem")" && return; }
    while read -r namespace pod state; do
        if [ -s "$refusals/$namespace $pod" ]; then
            printf ' %s/%s: %s;' "$namespace" "$pod" "$(cat "$refusals/$namespace $pod")"
        else
            printf ' %s/%s: was told to end and still runs;' "$namespace" "$pod"
        fi
    done <"$refusals/pods"
}

# Uncordons the node if this script cordoned it, in this run or in a killed run.
uncordon() {
    [ -e "$cordoned" ] || return 0
    cordon false && rm -f "$cordoned"
}

# Uncordons the node after a change, once the API knows the kubelet of this release and the node is Ready: pods must not
# be scheduled to a node that is not Ready.
take_pods_again() {
    [ -e "$cordoned" ] || return 0
    until is_ready; do
        before_deadline || fail "release $digest is healthy, but the node is not Ready in the API; it stays cordoned"
        sleep "$poll_seconds"
    done
    uncordon || fail "release $digest is healthy, but the API does not let the kubelet uncordon its node"
}

is_ready() {
    # shellcheck disable=SC2016
    kube get node "$(node_name)" --output 'go-template={{.status.nodeInfo.kubeletVersion}}{{range .status.conditions -}}
{{if eq .type "Ready"}} {{.status}}{{end}}{{end}}' 2>/dev/null |
        grep -qx "v$(version_of "$root/current" kubelet) True"
}
