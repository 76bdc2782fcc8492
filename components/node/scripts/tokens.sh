# Finds tokens of service accounts in the volumes of pods on this node. Functions for still_needed.sh and
# kubelet_renew.sh, which set sysroot.
# shellcheck shell=sh disable=SC2154

# Paths of tokens that one of the given keys has signed. Files of other services in these volumes do not count.
tokens_signed_by() { # KEY-ID...
    find "$sysroot/var/lib/kubelet/pods" -path '*/kubernetes.io~projected/*' -type f -size -64k 2>/dev/null |
        while read -r path; do
            case $(head -c 3 "$path" 2>/dev/null) in eyJ) ;; *) continue ;; esac
            id=$(key_id_of "$path")
            for wanted in "$@"; do [ "$id" != "$wanted" ] || echo "$path"; done
        done
}

# The header of a token names its key: https://www.rfc-editor.org/rfc/rfc7515#section-4.1.4
key_id_of() { # PATH
    cut -d. -f1 "$1" 2>/dev/null | tr '_-' '/+' | { base64 -d 2>/dev/null || true; } | sed -n 's/.*"kid":"\([^"]*\)".*/\1/p'
}
