#!/bin/sh
# Carries out requests about the member of etcd of this machine. POSIX sh, as root.
#
# tools/operate/defrag.py runs this script on every member, makes all decisions, and sends lines `request VERB ARGUMENT`.
# The answer is the output of the verb, or its error, and a last line `@end EXIT-CODE`. If the connection ends, then this
# script ends, and gives up what it holds: no release is staged or activated here meanwhile (lock of apply.sh), and no
# snapshot is taken.
# shellcheck disable=SC2086,SC2154 # options; variables of cfg/etcd-functions
set -eu
umask 077
here=$(cd "$(dirname "$0")" && pwd -P)
sysroot=${HARDWAY_SYSROOT:-}
root=${HARDWAY_ROOT:-$sysroot/opt/kubernetes}
tls="--cacert=$root/ssl/etcd/ca.pem --cert=$root/ssl/etcd/peer.pem --key=$root/ssl/etcd/peer.key"
clients=https://127.0.0.1:2379
snapshots=/hardway/backup/lock # backup.sh
lock_seconds=${HARDWAY_LOCK_SECONDS:-30}
long=--command-timeout=1800s

say() { echo "$*"; }
fail() { echo "$*" >&2; exit 1; }
# shellcheck source=/dev/null
. "$root/cfg/etcd-functions"
# shellcheck source=/dev/null
. "$here/space.sh"

exec 9>"$sysroot/run/hardway.lock"
flock -n 9 || fail 'a release is being staged or activated, or another such command is at work'
[ ! -e "$root/unproven" ] || fail "the activation of a release was interrupted: run \`make up\` first"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkfifo "$work/end"
exec 8<>"$work/end" # whoever reads it ends with this script, however this script ends

# Holds the lock that keeps members from taking snapshots, until this script ends. While the alarm NOSPACE stands, etcd
# gives nobody a lock: then no snapshot can begin, and only one that began before may be at work.
keep_snapshots_away() { # yes | no: whether the alarm stands
    if [ "$1" = yes ]; then
        [ -z "$(ctl --endpoints="$clients" get --prefix --keys-only "$snapshots")" ] || fail 'a snapshot is being taken'
        return
    fi
    NO_PROXY='*' "$root/bin/etcdctl" $tls --endpoints="$clients" lock --ttl=60 "$snapshots" -- \
        sh -c "echo >'$work/held'; read -r _ <'$work/end'" >/dev/null 2>&1 8>&- 9>&- &
    holder=$!
    until_time=$(($(date +%s) + lock_seconds))
    until [ -e "$work/held" ]; do
        [ "$(date +%s)" -lt "$until_time" ] || { kill "$holder"; fail 'a snapshot is being taken'; }
        sleep 0.1
    done
}

compact() { # REVISION
    said=$(ctl --endpoints="$clients" "$long" compact --physical "$1" 2>&1) || case $said in
    *'has been compacted'*) ;;
    *) fail "$said" ;;
    esac
}

carry_out() { # VERB ARGUMENT
    case $1 in
    status) ctl --endpoints="$clients" endpoint status --write-out=json ;;
    ready) curl -fsS --noproxy '*' --max-time 2 --output /dev/null 'http://127.0.0.1:2381/health?exclude=NOSPACE' ;;
    keep-snapshots-away) keep_snapshots_away "$2" ;;
    compact) compact "$2" ;;
    move-leader) ctl --endpoints="$clients" move-leader "$2" ;;
    defrag) ctl --endpoints="$clients" "$long" defrag ;;
    disarm) disarm_if_room ;;
    *) fail "no such request: $1" ;;
    esac
}

set +e
while read -r _ verb argument; do
    (set -e && carry_out "$verb" "$argument") </dev/null >"$work/output" 2>"$work/problem"
    code=$?
    cat "$work/output"
    [ "$code" = 0 ] || tail -n 3 "$work/problem"
    echo "@end $code"
done
