#!/bin/sh
# Prints the state of this machine for `make status`. POSIX sh; runs as root, and only reads.
#
# One fact in each line, with tabs between the fields:
#   release   DIGEST whole|unfinished          unfinished: an activation was interrupted or is under way
#   clock     TIME                             Unix time of the machine
#   version   NAME VERSION                     of each program of the release
#   unit      NAME STATE RESTARTS MILLISECONDS PROBLEM
#             STATE of systemd; RESTARTS by systemd since the unit was started; how long the health check of the unit took;
#             why the health check failed, else empty
#   shown     NAME same|other                  whether a unit shows the certificate of its file to clients
#   disk      DIRECTORY SIZE FREE              of a file system with data of the node, in bytes
#   etcd      JSON                             what the member says of itself and of alarms
#   snapshot  TIME SECONDS                     Unix time of the newest snapshot of etcd, 0: none; how old the page lets it be
set -u
sysroot=${HARDWAY_SYSROOT:-} # before every path of the machine; unit tests set it
root=${HARDWAY_ROOT:-$sysroot/opt/kubernetes}
here=$root/current
tab=$(printf '\t')

fact() { # FIELD ...
    line=$1
    shift
    for field in "$@"; do line=$line$tab$field; done
    echo "$line"
}

milliseconds() { echo $(($(date +%s%N) / 1000000)); }

unit() { # NAME
    state=$(systemctl is-active "$1") || true
    restarts=$(systemctl show --property=NRestarts --value "$1" 2>/dev/null) || true
    begun=$(milliseconds) problem=''
    if ! said=$(sh "$here/health/$1" 2>&1 >/dev/null); then
        problem=$(echo "$said" | tail -n 1 | tr '\t' ' ')
        problem=${problem:-its health check fails}
    elif [ "$1" = kube-proxy.service ]; then
        problem=$(lost_rules)
    fi
    fact unit "$1" "${state:-unknown}" "${restarts:-0}" "$(($(milliseconds) - begun))" "$problem"
}

# In the mode nftables, kube-proxy calls itself healthy without its rules. nftables_guard.sh brings them back; this finds what
# the guard has missed.
lost_rules() {
    grep -qs '"mode": "nftables"' "$here/cfg/kube-proxy.json" || return 0
    nft list table ip kube-proxy >/dev/null 2>&1 ||
        echo 'its rules are not in the kernel, so no service answers here: something flushed nftables; restart the unit'
}

fingerprint() { openssl x509 -noout -fingerprint -sha256 2>/dev/null; }

# A program that missed the renewal of its certificate shows the old one until its end. A unit that does not listen is
# no matter of this fact: its health check says so.
certificates() {
    [ -e "$here/tables/certificates" ] && command -v openssl >/dev/null || return 0
    while read -r name address file; do
        shown=$(timeout 5 openssl s_client -connect "$address" </dev/null 2>/dev/null | fingerprint) || continue
        same=same
        [ "$shown" = "$(fingerprint <"$here/$file")" ] || same=other
        fact shown "$name" "$same"
    done <"$here/tables/certificates"
}

# Each file system once.
disks() {
    { echo /opt/kubernetes; cut -d' ' -f1 "$here/tables/directories"; } | while read -r directory; do
        [ ! -d "$sysroot$directory" ] || df -P -B1 "$sysroot$directory" |
            awk -v directory="$directory" 'NR == 2 { print $6, directory, $2, $4 }'
    done | awk '!seen[$1]++ { print $2, $3, $4 }' | while read -r directory size free; do
        fact disk "$directory" "$size" "$free"
    done
}

etcd() {
    # shellcheck disable=SC2034 # etcd-functions uses these variables
    tls="--cacert=$root/ssl/etcd/ca.pem --cert=$root/ssl/etcd/peer.pem --key=$root/ssl/etcd/peer.key"
    # shellcheck source=/dev/null
    . "$here/cfg/etcd-functions"
    own=https://127.0.0.1:2379
    if found=$(ctl --endpoints="$own" endpoint status --write-out=json 2>/dev/null); then fact etcd "$found"; fi
    if [ -e "$here/cfg/backup.env" ]; then
        taken=$(ctl --endpoints="$own" get --print-value-only /hardway/backup/last 2>/dev/null) || return 0
        # shellcheck source=/dev/null
        . "$here/cfg/backup.env"
        fact snapshot "$(echo "${taken:-0}" | cut -d' ' -f1)" "$BACKUP_SECONDS"
    fi
}

[ -d "$here/tables" ] || { echo "this machine has no release" >&2; exit 1; }
whole=whole
[ ! -e "$root/unproven" ] || whole=unfinished
fact clock "$(date +%s)"
fact release "$(basename "$(readlink "$here")")" "$whole"
while read -r name version; do fact version "$name" "$version"; done <"$here/tables/versions"
while read -r name _ _ installed; do
    [ "$installed" = installed ] || unit "$name"
done <"$here/tables/units"
certificates
disks
[ ! -e "$here/cfg/etcd-functions" ] || [ ! -e "$here/health/etcd.service" ] || etcd
