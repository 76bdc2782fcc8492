#!/bin/sh
# Brings the credentials on this node to the generations in use: the kubelet's client certificate, and the tokens of
# service accounts in the volumes of pods. POSIX sh, idempotent, run as root after the activation of all control planes.
#
#   kubelet_renew.sh [NAME GENERATION ...]   the arguments only say in the state of Pulumi what the run was for
#
# A kubelet keeps its certificate and its tokens until shortly before their ends. A kubelet without a client certificate
# asks for one with the node's own identity; a kubelet that starts requests all tokens anew. Pods run on meanwhile.
set -eu
sysroot=${HARDWAY_SYSROOT:-} # before every path of the machine; unit tests set it
root=${HARDWAY_ROOT:-$sysroot/opt/kubernetes}
limit=${HARDWAY_RENEW_LIMIT:-300} # seconds until everything has to be renewed
ssl=$root/ssl/kubelet
certificate=$sysroot/var/lib/kubelet/pki/kubelet-client-current.pem
# shellcheck source=/dev/null
. "${0%/*}/tokens.sh"

say() { echo "$(hostname): $*"; }
fail() { say "$*" >&2; exit 1; }

# The authority in use signed the certificate, and the certificate has not ended. The authority may be an intermediate
# without its root: -partial_chain. What the operating system trusts does not count: SSL_CERT_DIR.
is_current() {
    SSL_CERT_DIR=/nonexistent openssl verify -partial_chain -CAfile "$ssl/issuer.pem" -purpose sslclient \
        "$certificate" >/dev/null 2>&1
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

deadline=$(($(date +%s) + limit))
restart=''
if ! is_current; then
    say 'the kubelet asks for a certificate of the authority in use'
    [ ! -e "$certificate" ] || mv "$certificate" "$certificate.before"
    restart=yes
fi
if [ -z "$restart" ] && ! has_no_old_token; then
    say 'the kubelet requests the tokens of pods anew'
    restart=yes
fi
[ -z "$restart" ] || systemctl restart kubelet.service
if ! await is_current; then
    # The certificate from before may still be good, and the node works with it until the next attempt.
    if [ ! -e "$certificate" ] && [ -L "$certificate.before" ]; then
        mv "$certificate.before" "$certificate"
        systemctl restart kubelet.service
    fi
    fail "the kubelet has no certificate of the authority in use after $limit s; see journalctl --unit kubelet"
fi
rm -f "$certificate.before"
# The kubelet keeps every certificate and key that it ever had.
find "${certificate%/*}" -name 'kubelet-client-*.pem' -type f ! -name "$(basename "$(readlink "$certificate")")" -delete
await has_no_old_token ||
    fail "after $limit s a token of an older key is still in use: $(old_tokens | head -n 3 | paste -sd ' ' -)"
# The kubelet of another node restarts next.
[ -z "$restart" ] || await is_healthy || fail "the kubelet is not healthy after $limit s; see journalctl --unit kubelet"
say 'certificate and tokens are of the generations in use'
