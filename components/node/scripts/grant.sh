#!/bin/sh
# Gives the program its rights in the API: binds its group to cluster-admin. POSIX sh, idempotent, run as root on a
# control-plane node.
#
#   grant.sh GROUP BINDING URL ...   the URLs of all API servers
#
# Whoever makes the first binding needs rights without RBAC, so the group system:masters. The machine has the key of the
# API's authority, because its controller-manager signs certificates of kubelets: the script makes a certificate that
# ends after ten minutes, whose key never leaves the memory of the machine, and deletes both.
# shellcheck disable=SC2154 # alone.sh sets work
set -eu
sysroot=${HARDWAY_SYSROOT:-} # before every path of the machine; tests set it
root=${HARDWAY_ROOT:-$sysroot/opt/kubernetes}
limit=${HARDWAY_GRANT_LIMIT:-120} # seconds until every API server has to know the binding
group=$1 binding=$2
shift 2
# shellcheck source=/dev/null
. "${0%/*}/alone.sh"
alone grant $((2 * limit))

# ---- a certificate for ten minutes -----------------------------------------------------------------------

# In a rotation the controller-manager has a file of its own with the authority that signs.
authority=$root/ssl/kube-controller-manager/kubernetes-ca.pem
[ -e "$authority" ] || authority=$root/ssl/kubernetes-ca.pem

moment() { date -u -d "@$(($(date +%s) + $1))" +%Y%m%d%H%M%SZ; } # SECONDS from now

make_certificate() {
    cat >"$work/openssl.cnf" <<END
[req]
distinguished_name = name
[name]
[ca]
default_ca = own
[own]
database = $work/index
new_certs_dir = $work
rand_serial = yes
default_md = sha256
policy = any
x509_extensions = client
unique_subject = no
[any]
organizationName = supplied
commonName = supplied
[client]
basicConstraints = critical,CA:false
keyUsage = critical,digitalSignature
extendedKeyUsage = clientAuth
END
    : >"$work/index"
    openssl req -new -config "$work/openssl.cnf" -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
        -keyout "$work/client.key" -subj "/O=system:masters/CN=hardway:grant" -out "$work/request.pem" || return 1
    # Other machines' clocks may be some seconds behind.
    openssl ca -batch -notext -config "$work/openssl.cnf" -startdate "$(moment -60)" -enddate "$(moment 600)" \
        -cert "$authority" -keyfile "$root/ssl/kube-controller-manager/kubernetes-ca.key" \
        -in "$work/request.pem" -out "$work/client.pem"
}

# ---- the binding -----------------------------------------------------------------------------------------

kube() { # URL ...
    server=$1
    shift
    NO_PROXY='*' "$root/bin/kubectl" --kubeconfig /dev/null --server "$server" \
        --certificate-authority "$root/ssl/kubernetes-ca.pem" \
        --client-certificate "$work/client.pem" --client-key "$work/client.key" --request-timeout 10s "$@"
}

answers() { kube "$1" get --raw /version >/dev/null 2>"$work/problem"; } # URL

bind() {
    cat >"$work/binding.json" <<END
{"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": "$binding"},
 "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
 "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "$group"}]}
END
    for url in "$@"; do
        # `auth reconcile` gives no reason if the server does not answer.
        answers "$url" || continue
        # It replaces a binding that somebody made for another role.
        ! kube "$url" auth reconcile --filename "$work/binding.json" >/dev/null 2>"$work/problem" || return 0
    done
    return 1
}

# The group has all rights, as the server that is asked sees it.
is_known_to() { # URL
    answer=$(kube "$1" auth can-i '*' '*' --as "$group" --as-group "$group" 2>/dev/null) || true
    [ "$answer" = yes ]
}

await() { # COMMAND: until it succeeds
    deadline=$(($(date +%s) + limit))
    until "$@"; do
        [ "$(date +%s)" -lt "$deadline" ] || return 1
        sleep 0.2
    done
}

make_certificate 2>"$work/problem" || fail "no certificate can be made: $(paste -sd ' ' "$work/problem")"
await bind "$@" || fail "the API does not take the binding $binding: $(paste -sd ' ' "$work/problem")"
for url in "$@"; do
    # One that is away learns of the binding when it starts. The others learn of it a moment after the one that took it.
    answers "$url" || { say "$url does not answer"; continue; }
    await is_known_to "$url" || fail "after $limit s $url does not know the binding $binding"
done
say "$group has all rights in the API"
