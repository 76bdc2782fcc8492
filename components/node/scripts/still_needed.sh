# Refuses a release that stops trusting a generation which something still needs: Secrets in etcd, the certificate of the
# kubelet, tokens of pods. The check looks at these themselves, because a record of earlier runs may be wrong: a run
# fails half way, a step is taken back, a snapshot is restored. Functions for stage.sh, which defines sysroot, root, say
# and fail, and which reads generations.sh and tokens.sh.
# shellcheck shell=sh disable=SC2154

token_cache=70 # seconds: programs with client-go read the token of their pod again after one minute

refuse_needed() { # RELEASE-BEFORE RELEASE-NEXT
    for number in $(given_up "$1" "$2" encryption); do
        count=$(encrypted_with "$number") ||
            fail "etcd does not say which Secrets need generation $number of the key encryption. Nothing was changed"
        [ "$count" = 0 ] || refuse "$count Secrets in etcd need" "$number" encryption
    done
    for number in $(given_up "$1" "$2" kubernetes); do
        is_certificate_trusted_by "$2" || refuse "the certificate of the kubelet on this machine needs" "$number" kubernetes
    done
    for number in $(given_up "$1" "$2" service-account); do
        lost=$(key_ids "$1" | while read -r id; do key_ids "$2" | grep -qxF -e "$id" || echo "$id"; done)
        # shellcheck disable=SC2086 # key ids have no white space
        [ -z "$(tokens_signed_by $lost)" ] || refuse "tokens of pods on this machine need" "$number" service-account
        wait_for_caches
    done
}

refuse() { # WHAT GENERATION KEY
    fail "$1 generation $2 of the key $3: run \`up\` with a page that trusts generation $2. Nothing was changed"
}

# How many Secrets in etcd are encrypted with a generation. Asks etcd as the API server of this machine does. The value
# of a Secret begins with the name of its key: https://kubernetes.io/docs/tasks/administer-cluster/encrypt-data/
encrypted_with() { # GENERATION
    server=$root/current/units/kube-apiserver.service at=$root/current/ssl/kube-apiserver
    prefix=$(flag_of "$server" etcd-prefix)
    values=$(mktemp "$sysroot/run/hardway-secrets-XXXXXX")
    NO_PROXY='*' "$root/current/bin/etcdctl" --endpoints "$(flag_of "$server" etcd-servers)" --cacert "$at/etcd-ca.pem" \
        --cert "$at/etcd-client.pem" --key "$at/etcd-client.key" --command-timeout 60s \
        get "${prefix:-/registry}/secrets/" --prefix --print-value-only >"$values" 2>/dev/null && code=0 || code=$?
    [ "$code" != 0 ] || LC_ALL=C grep -a -c "^k8s:enc:secretbox:v1:key$1:" "$values" || true
    rm -f "$values"
    return "$code"
}

flag_of() { sed -n "s/.*--$2=\([^ ]*\).*/\1/p" "$1" | head -n 1; } # UNIT FLAG

# If the kubelet has no certificate, or a certificate that has ended, then the kubelet asks for a new certificate.
is_certificate_trusted_by() { # RELEASE
    certificate=$sysroot/var/lib/kubelet/pki/kubelet-client-current.pem
    openssl x509 -checkend 0 -noout -in "$certificate" >/dev/null 2>&1 || return 0
    # As in kubelet_renew.sh.
    SSL_CERT_DIR=/nonexistent openssl verify -partial_chain -CAfile "$1/ssl/kubernetes-ca.pem" -purpose sslclient \
        "$certificate" >/dev/null 2>&1
}

key_ids() { cat "$1/ssl/kubelet/service-account-key-ids" 2>/dev/null || true; } # RELEASE

# A pod whose token has just been renewed may still use the previous token.
wait_for_caches() {
    young=$(find "$sysroot/var/lib/kubelet/pods" -path '*/kubernetes.io~projected/*' -name token -type f \
        -newermt "$token_cache seconds ago" 2>/dev/null | head -n 1)
    [ -n "$young" ] || return 0
    say "waits $token_cache s until no pod uses a token from before its renewal"
    sleep "$token_cache"
}
