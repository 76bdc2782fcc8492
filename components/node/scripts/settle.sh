#!/bin/sh
# Brings what the API holds to the generations in use, after the activation of all control planes. POSIX sh, idempotent,
# run as root on a control-plane node. Standard input is a kubeconfig with all rights; it is kept in memory only.
#
#   settle.sh [NAME GENERATION ...]   the arguments only say in the state of Pulumi what the run was for
#
# 1. Every namespace has the present trust bundle in its ConfigMap kube-root-ca.crt: pods that start now trust it.
# 2. The ConfigMap of aggregated APIs trusts the present bundles and no others. API servers only ever add to it, and every
#    API server has been restarted with the present bundles before.
# 3. Every Secret is written once more, so that the encryption key in use encrypts it.
# shellcheck disable=SC2154 # alone.sh sets work
set -eu
sysroot=${HARDWAY_SYSROOT:-} # before every path of the machine; unit tests set it
root=${HARDWAY_ROOT:-$sysroot/opt/kubernetes}
limit=${HARDWAY_SETTLE_LIMIT:-300} # seconds for each of the three
# shellcheck source=/dev/null
. "${0%/*}/alone.sh"
alone settle $((3 * limit))
cat >"$work/kubeconfig"

# The file of the flag --root-ca-file: with an intermediate authority there is a file for programs that need the root.
published=$root/ssl/kubernetes-ca-path.pem
[ -e "$published" ] || published=$root/ssl/kubernetes-ca.pem
kube() { NO_PROXY='*' "$root/bin/kubectl" --kubeconfig "$work/kubeconfig" --request-timeout 30s "$@"; }

await() { # COMMAND: until it succeeds
    deadline=$(($(date +%s) + limit))
    until "$@"; do
        [ "$(date +%s)" -lt "$deadline" ] || return 1
        sleep 2
    done
}

json() { awk '{ printf "%s\\n", $0 }' "$1"; } # the text of a PEM file as the inside of a string in JSON or Go

# ---- trust bundle in every namespace ---------------------------------------------------------------------

# A line for each namespace, and for each ConfigMap: `NAMESPACE "BUNDLE"`, with the escapes of a Go string.
is_published() {
    kube get namespaces --output 'go-template={{range .items}}{{if not .metadata.deletionTimestamp}}{{.metadata.name}}
{{end}}{{end}}' >"$work/namespaces" || return 1
    kube get configmaps --all-namespaces --field-selector metadata.name=kube-root-ca.crt --output \
        'go-template={{range .items}}{{.metadata.namespace}} {{printf "%q" (index .data "ca.crt")}}
{{end}}' >"$work/bundles" || return 1
    bundle=$(json "$published")
    while read -r namespace; do
        grep -qxF -e "$namespace \"$bundle\"" "$work/bundles" || { behind=$namespace; return 1; }
    done <"$work/namespaces"
}

# ---- aggregated APIs -------------------------------------------------------------------------------------

trust_for_aggregated_apis() {
    client=$(json "$root/ssl/kubernetes-ca.pem") front=$(json "$root/ssl/kube-apiserver/front-proxy-ca.pem")
    printf '{"data": {"client-ca-file": "%s", "requestheader-client-ca-file": "%s"}}' "$client" "$front" >"$work/patch"
    kube patch configmap extension-apiserver-authentication --namespace kube-system --type merge \
        --patch-file "$work/patch" >/dev/null
}

# ---- Secrets ---------------------------------------------------------------------------------------------

# A Secret that changes or goes between reading and writing needs no write: every API server encrypts with the key in use.
write_secrets() {
    kube get secrets --all-namespaces --output json >"$work/secrets" 2>"$work/problems" || return 1
    kube replace --filename "$work/secrets" >"$work/written" 2>"$work/problems" && code=0 || code=$?
    rm -f "$work/secrets"
    # The API warns of Secrets that it accepts, such as of an invalid certificate in a Secret of the type TLS.
    grep -Ev '^Warning: |the object has been modified|NotFound|not found' "$work/problems" >"$work/failed" && return 1
    # kubectl fails if a Secret changed or is gone, and says so.
    [ "$code" = 0 ] || grep -qE 'the object has been modified|NotFound|not found' "$work/problems" || return 1
    written=$(grep -c replaced "$work/written" || true)
}

behind='' written=0
await is_published || fail_late "after $limit s not every namespace has the present trust bundle: ${behind:-the API does not answer}"
await trust_for_aggregated_apis ||
    fail_late "after $limit s the ConfigMap extension-apiserver-authentication is not written"
await write_secrets ||
    fail_late "Secrets cannot be written: $(head -n 3 "$work/problems" 2>/dev/null | paste -sd ' ' -)"
say "every namespace has the trust bundle; $written Secrets are written with the encryption key in use"
