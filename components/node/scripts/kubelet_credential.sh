#!/bin/sh
# Chooses the credential with which the kubelet of this node asks for its client certificate, before each start.
# POSIX sh, run as root.
#
#   token     the bootstrap token: only for a node that joins, and only until the token expires
#   identity  the node's own certificate from the program: it obtains a certificate of this node's name and no other
#
# A kubelet that asks too early waits twice as long before each further attempt, for half a minute and more. So a node
# that joins waits until every API server that answers knows the token: the kubelet's requests go to any of them.
set -eu
sysroot=${HARDWAY_SYSROOT:-} # before every path of the machine; unit tests set it
root=${HARDWAY_ROOT:-$sysroot/opt/kubernetes}
token=$root/cfg/kubelet-token.kubeconfig
identity=$root/cfg/kubelet-identity.kubeconfig
chosen=$sysroot/run/hardway/kubelet-bootstrap.kubeconfig

choose() { # KUBECONFIG
    mkdir -p "${chosen%/*}"
    ln -sfn "$1" "$chosen"
}

ask() { # ADDRESS:PORT; prints the status of the answer, 000 without an answer
    printf 'Authorization: Bearer %s' "$(cat "$root/ssl/kubelet/bootstrap-token")" |
        curl -s --noproxy '*' --max-time 2 --cacert "$root/ssl/kubernetes-ca.pem" --header @- --output /dev/null --write-out '%{http_code}' \
            "https://$1/apis/certificates.k8s.io/v1/certificatesigningrequests?limit=1" || true
}

all_know() {
    known=''
    while read -r server; do
        case $(ask "$server") in
        200) known=yes ;;
        000) ;;         # the server is not there
        *) return 1 ;;  # the server does not know the token yet; questions to the others would cost what it needs now
        esac
    done <"$root/cfg/api-servers"
    [ -n "$known" ]
}

is_expired() { [ "$(date +%s)" -ge "$(cat "$root/ssl/kubelet/bootstrap-token-end")" ]; }

# A node that has joined has a certificate, or kubelet_renew.sh has just put it aside.
current=$sysroot/var/lib/kubelet/pki/kubelet-client-current.pem
if [ ! -e "$current" ] && [ ! -L "$current.before" ]; then
    until is_expired; do
        ! all_know || { choose "$token" && exit; }
        sleep 0.5
    done
fi
choose "$identity"
