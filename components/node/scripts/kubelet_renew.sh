#!/bin/sh
# Brings the credentials on this node to the generations in use: the kubelet's client certificate, and the tokens of
# service accounts in the volumes of pods. POSIX sh, idempotent, run as root after the activation of all control planes.
#
#   kubelet_renew.sh [NAME GENERATION ...]   the arguments only say in the state of Pulumi what the run was for
#
# A kubelet keeps its certificate and its tokens until shortly before their ends, and requests all tokens anew when it
# starts. So the script obtains a certificate with the identity of the node, and restarts the kubelet with it. Pods run on
# meanwhile. A kubelet that starts without a certificate asks for one too, but its first requests are refused. For a second
# it then reports "CSINode is not yet initialized": the node is not ready, and its pods leave the endpoints of services.
# shellcheck disable=SC2154 # alone.sh sets work
set -eu
sysroot=${HARDWAY_SYSROOT:-} # before every path of the machine; unit tests set it
root=${HARDWAY_ROOT:-$sysroot/opt/kubernetes}
limit=${HARDWAY_RENEW_LIMIT:-300} # seconds until everything has to be renewed
ssl=$root/ssl/kubelet
certificate=$sysroot/var/lib/kubelet/pki/kubelet-client-current.pem
# A run that was killed between the certificate and the restart has left this file. A boot starts the kubelet anyway.
pending=$sysroot/run/hardway/kubelet-restart
# shellcheck source=/dev/null
. "${0%/*}/tokens.sh"
# shellcheck source=/dev/null
. "${0%/*}/alone.sh"
alone kubelet-renew "$limit"

# The authority in use signed the certificate, and the certificate has not ended. The authority may be an intermediate
# without its root: -partial_chain. What the operating system trusts does not count: SSL_CERT_DIR.
is_current() { # FILE
    SSL_CERT_DIR=/nonexistent openssl verify -partial_chain -CAfile "$ssl/issuer.pem" -purpose sslclient \
        "$1" >/dev/null 2>&1
}

# Tokens that an older generation of the key signed: the id of the key in use is the first in the file.
old_tokens() {
    # shellcheck disable=SC2046 # key ids have no white space
    tokens_signed_by $(sed 1d "$ssl/service-account-key-ids")
}

await() { # COMMAND: until it succeeds
    until "$@"; do
        [ "$(date +%s)" -lt "$deadline" ] || return 1
        sleep 1
    done
}

has_no_old_token() { [ -z "$(old_tokens)" ]; }

is_healthy() { sh "$root/current/health/kubelet.service" >/dev/null 2>&1; }

# ---- certificate -----------------------------------------------------------------------------------------

api() { # PATH [OPTION OF CURL ...]
    path=$1
    shift
    server=$(sed -n 's/.*"server": "\(.*\)".*/\1/p' "$root/cfg/kubelet-identity.kubeconfig")
    curl -fsS --noproxy '*' --max-time 10 --cacert "$root/ssl/kubernetes-ca.pem" --cert "$ssl/client.pem" \
        --key "$ssl/client.key" "$@" "$server/apis/certificates.k8s.io/v1/certificatesigningrequests$path"
}

# The key is of the kind that a kubelet makes. The files are in memory until the certificate is there.
request() {
    csr=hardway-$(cat /proc/sys/kernel/random/uuid)
    name=$(openssl x509 -noout -subject -nameopt multiline -in "$ssl/client.pem" | sed -n 's/^ *commonName *= //p')
    openssl ecparam -name prime256v1 -genkey -noout -out "$work/key"
    wanted=$(openssl req -new -key "$work/key" -subj "/O=system:nodes/CN=$name" | base64 -w 0)
    printf '{"apiVersion": "certificates.k8s.io/v1", "kind": "CertificateSigningRequest", "metadata": {"name": "%s"},
        "spec": {"request": "%s", "signerName": "kubernetes.io/kube-apiserver-client-kubelet",
        "usages": ["digital signature", "client auth"]}}' "$csr" "$wanted" |
        api '' --header 'Content-Type: application/json' --data-binary @- >"$work/answer" 2>"$work/problem"
}

is_issued() {
    api "/$csr" >"$work/answer" 2>"$work/problem" || return 1
    sed -n 's/.*"certificate": "\([^"]*\)".*/\1/p' "$work/answer" | base64 -d >"$work/certificate"
    [ -s "$work/certificate" ]
}

# In one file, as the kubelet stores them: https://kubernetes.io/docs/reference/access-authn-authz/kubelet-tls-bootstrapping/
install_certificate() {
    file=${certificate%/*}/kubelet-client-$(date -u +%Y-%m-%d-%H-%M-%S).pem
    mkdir -p "${certificate%/*}"
    cat "$work/certificate" "$work/key" >"$file"
    ln -sfn "$file" "$certificate.new"
    mv -T "$certificate.new" "$certificate"
}

# ---- renewal ---------------------------------------------------------------------------------------------

deadline=$(($(date +%s) + limit))
restart=''
if ! is_current "$certificate"; then
    say 'the kubelet gets a certificate of the authority in use'
    # The kubelet works with its present certificate until there is another one.
    { await request && await is_issued; } ||
        fail_late "the kubelet has no certificate of the authority in use after $limit s: $(tail -n 1 "$work/problem")"
    is_current "$work/certificate" ||
        fail 'the cluster signs certificates of kubelets with another authority than the one in use'
    touch "$pending"
    install_certificate
elif ! has_no_old_token; then
    say 'the kubelet requests the tokens of pods anew'
    touch "$pending"
fi
if [ -e "$pending" ]; then
    systemctl restart kubelet.service
    rm -f "$pending"
    restart=yes
fi
# The kubelet keeps every certificate and key that it ever had.
find "${certificate%/*}" -name 'kubelet-client-*.pem' -type f ! -name "$(basename "$(readlink "$certificate")")" -delete
await has_no_old_token ||
    fail_late "after $limit s a token of an older key is still in use: $(old_tokens | head -n 3 | paste -sd ' ' -)"
# The kubelet of another node restarts next.
[ -z "$restart" ] || await is_healthy ||
    fail_late "the kubelet is not healthy after $limit s; see journalctl --unit kubelet"
say 'certificate and tokens are of the generations in use'
