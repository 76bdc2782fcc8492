#!/bin/sh
# Replaces the data of etcd with a snapshot. POSIX sh, as root. Every step may be killed and run again.
#
#   restore.sh give                    on the member that restores, as root: takes a snapshot from standard input, a tar
#                                      with etcd.db and metadata; prints its name, file- and the digest of etcd.db
#   restore.sh fetch NUMBER SNAPSHOT   on the member that restores: fetches and verifies the snapshot; changes nothing
#   restore.sh begin NUMBER            on members and control-plane nodes: stops API servers, controllers and etcd
#   restore.sh member                  before etcd starts: puts the snapshot in the place of the data, or removes the
#                                      data so that the member joins the restored one; the data of before stays aside
#
# A release with a restore has the files cfg/restore (NUMBER SNAPSHOT) and, on a member, cfg/etcd-restores (yes on the
# member that restores). The file etcd-restored has the number of the last restore of this machine, restore-begun the
# number of the last one that stopped it.
# shellcheck disable=SC2154 # snapshots.sh sets some variables
set -eu
umask 077
here=$(cd "$(dirname "$0")" && pwd -P)
root=${HARDWAY_ROOT:-/opt/kubernetes}
# shellcheck source=/dev/null
[ ! -e "$here/cfg/backup.env" ] || . "$here/snapshots.sh"
command -v say >/dev/null || say() { echo "$(hostname): $*" || true; }
restored=$root/etcd-restored
services='kube-controller-manager kube-scheduler kube-apiserver etcd'
# Far more than the revisions between a snapshot and the end of the old data: watches of before have to end.
bump=1000000000
stop_seconds=3 # API servers keep nothing, and would go on with requests whose writes the restore loses

is_done() { [ "$(cat "$restored" 2>/dev/null || true)" = "$1" ]; }
number_of() { cut -d' ' -f1 "$1/cfg/restore" 2>/dev/null || true; }
value() { sed -n "s/^$1 //p" "$folder.new/metadata"; }

fetch() {
    number=$1 wanted=$2 folder=$BACKUP_WORK/restore-$1
    [ "$(cat "$here/cfg/restore")" = "$number $wanted" ] || fail "release ${here##*/} is not of restore $number. Nothing was changed"
    [ "$(cat "$here/cfg/etcd-restores")" = yes ] || { say 'this machine came after the restore'; return; }
    ! is_done "$number" || { say "restore $number has happened"; return; }
    [ ! -e "$folder/etcd.db" ] || { say "the snapshot for restore $number is here"; return; }
    install -d -o etcd -g etcd -m 0755 "$BACKUP_WORK"
    errors=$BACKUP_WORK/restore-errors
    rm -rf "$folder.new" "$BACKUP_WORK/unpacked"
    trap 'rm -rf "$errors" "$BACKUP_WORK/unpacked"' EXIT
    install -d -o etcd -g etcd -m 0700 "$folder.new" "$BACKUP_WORK/unpacked"
    case $wanted in
    file-*) take_given "$wanted" ;;
    *) take_from_place "$wanted" ;;
    esac
    find "$BACKUP_WORK/unpacked" -name etcd.db -o -name metadata | while read -r file; do mv "$file" "$folder.new/"; done
    verify
    chown -R etcd:etcd "$folder.new"
    mv "$folder.new" "$folder"
    say "snapshot $(echo "$id" | cut -c1-8), taken $taken at revision $revision, is verified"
    case $pki in '' | "$(authorities)") ;; *) say 'the authorities are others than those of the snapshot' ;; esac
}

take_from_place() { # latest | ID | TIME
    id=$(choose "$1")
    repository restore "$id" --no-lock --target "$BACKUP_WORK/unpacked" >/dev/null 2>"$errors" ||
        fail "cannot fetch the snapshot $id of $BACKUP_REPOSITORY: $(because "$errors"). Nothing was changed"
}

take_given() { # NAME
    id=$1
    [ -e "$BACKUP_WORK/$id" ] || fail "this machine does not have the snapshot $id. \`make restore SNAPSHOT=FILE\` \
sends the file. Nothing was changed"
    cp "$BACKUP_WORK/$id/etcd.db" "$BACKUP_WORK/$id/metadata" "$BACKUP_WORK/unpacked/"
}

give() {
    install -d -o etcd -g etcd -m 0755 "$BACKUP_WORK"
    trap 'rm -rf "$BACKUP_WORK/giving"' EXIT
    rm -rf "$BACKUP_WORK/giving" "$BACKUP_WORK"/file-*
    mkdir "$BACKUP_WORK/giving"
    tar -xf - --no-same-owner --no-same-permissions -C "$BACKUP_WORK/giving" etcd.db metadata || fail 'the snapshot did not arrive whole'
    digest=$(sha256_of "$BACKUP_WORK/giving/etcd.db")
    name=file-$(echo "$digest" | cut -c1-16)
    mv "$BACKUP_WORK/giving" "$BACKUP_WORK/$name"
    echo "$name"
}

choose() { # latest | ID | TIME: prints the id of a snapshot
    list=$(all_snapshots "$errors") ||
        fail "cannot list the snapshots of $BACKUP_REPOSITORY: $(because "$errors"). Nothing was changed"
    case $1 in
    latest) id=$(echo "$list" | tail -n 1 | cut -d' ' -f2) ;;
    *T*Z) id=$(echo "$list" | awk -v until="${1%Z}" '$1 <= until { id = $2 } END { print id }') ;;
    *) id=$1 ;; # also one of another cluster: the metadata tells
    esac
    [ -n "$id" ] || fail "$BACKUP_REPOSITORY has no such snapshot of this cluster: $1; it has$(
        echo "$list" | awk '{ printf " %sZ", $1 }' | grep . || echo ' none'
    ). Nothing was changed"
    echo "$id"
}

verify() {
    for file in etcd.db metadata; do
        [ -e "$folder.new/$file" ] || fail "the snapshot $id is no snapshot of etcd that hardway took. Nothing was changed"
    done
    taken=$(value taken) revision=$(value revision) pki=$(value pki)
    whose=$(value cluster)
    [ "$whose" = "$cluster" ] ||
        fail "the snapshot $id is of another cluster ($whose, this is $cluster). Nothing was changed"
    [ "$(sha256_of "$folder.new/etcd.db")" = "$(value sha256)" ] ||
        fail "the snapshot $id is damaged: its sha256 differs. Nothing was changed"
    "$here/bin/etcdutl" snapshot status "$folder.new/etcd.db" >/dev/null 2>"$errors" ||
        fail "the snapshot $id is damaged: $(tail -n 1 "$errors"). Nothing was changed"
    fits etcd "$(value etcd)" "$BACKUP_ETCD"
    fits Kubernetes "$(value kubernetes)" "$BACKUP_KUBERNETES"
    for key in $(value keys | tr ',' ' '); do
        case ,$BACKUP_KEYS, in
        *",$key,"*) ;;
        *) fail "Secrets in the snapshot $id need generation $key of the key encryption; the page trusts $BACKUP_KEYS. \
Nothing was changed" ;;
        esac
    done
}

# Programs read no data of a later minor version, and an upgrade of data skips no minor version:
# https://kubernetes.io/releases/version-skew-policy, https://etcd.io/docs/latest/upgrades
fits() { # PROGRAM VERSION-OF-SNAPSHOT VERSION-OF-PAGE
    case $2 in
    "${3%%.*}".[0-9]*) behind=$(($(minor_of "$3") - $(minor_of "$2"))) ;;
    *) behind=-1 ;;
    esac
    [ "$behind" = 0 ] || [ "$behind" = 1 ] || fail "the snapshot $id is of $1 ${2:-without a version}, and the page has $3: it has \
to be the same minor version, or the next one. Nothing was changed"
}

minor_of() { echo "$1" | cut -d. -f2; }

installed() { for unit in $services; do [ ! -e "/etc/systemd/system/$unit.service" ] || echo "$unit.service"; done; }

running() { # units that have not stopped yet
    for unit in $(installed); do
        case $(systemctl is-active "$unit") in inactive | failed) ;; *) echo "$unit" ;; esac
    done
}

begin() {
    # The machine has the release with the restore already, or it is a new machine, whose etcd waits for the snapshot.
    [ "$(number_of "$root/current")" != "$1" ] || { say "restore $1 has begun here"; return; }
    echo "$1" >"$root/restore-begun" # a release without this restore starts everything again: stage.sh
    # shellcheck disable=SC2046 # names of units
    systemctl stop --no-block $(installed)
    until_time=$(($(date +%s) + stop_seconds))
    while [ -n "$(running)" ] && [ "$(date +%s)" -lt "$until_time" ]; do sleep 0.5; done
    for unit in $(running); do systemctl kill --signal=KILL "$unit"; done
    # shellcheck disable=SC2046 # names of units
    systemctl stop $(installed)
    say "stopped for restore $1: $(installed | paste -sd' ' -)"
}

member() {
    number=$(number_of "$here")
    if is_done "$number"; then
        # An interrupted attempt may have left it. What a later restore has fetched stays.
        rm -rf "$BACKUP_WORK/restore-$number"
        return
    fi
    # shellcheck source=/dev/null
    . "$here/cfg/etcd-initial.env"
    if [ "$(cat "$here/cfg/etcd-restores")" = yes ]; then
        snapshot=$BACKUP_WORK/restore-$number/etcd.db
        until [ -e "$snapshot" ]; do
            say "waits for the snapshot of restore $number"
            sleep 2
        done
        rm -rf "$MEMBER_DATA/restoring" "$MEMBER_WAL/restoring"
        separate=''
        [ "$MEMBER_WAL" = "$MEMBER_DATA/member/wal" ] || separate="--wal-dir=$MEMBER_WAL/restoring"
        # shellcheck disable=SC2086 # one option or none
        "$here/bin/etcdutl" snapshot restore "$snapshot" --data-dir "$MEMBER_DATA/restoring" $separate \
            --name "$MEMBER_NAME" --initial-cluster "$MEMBER_NAME=$MEMBER_PEER" \
            --initial-advertise-peer-urls "$MEMBER_PEER" --initial-cluster-token "$ETCD_INITIAL_CLUSTER_TOKEN" \
            --bump-revision "$bump" --mark-compacted
        aside "$MEMBER_DATA" member
        mv "$MEMBER_DATA/restoring/member" "$MEMBER_DATA/member"
        rm -rf "$MEMBER_DATA/restoring"
        if [ -n "$separate" ]; then
            aside_wal
            find "$MEMBER_WAL/restoring" -mindepth 1 -maxdepth 1 -exec mv {} "$MEMBER_WAL/" \;
            rm -rf "$MEMBER_WAL/restoring"
        fi
        chown -R etcd:etcd "$MEMBER_DATA" "$MEMBER_WAL"
    else
        aside "$MEMBER_DATA" member
        [ "$MEMBER_WAL" = "$MEMBER_DATA/member/wal" ] || aside_wal
    fi
    # Without its data, the member joins; it must not start a new cluster.
    : >"$root/etcd-voted"
    echo "$number" >"$restored.new"
    mv "$restored.new" "$restored"
    rm -rf "$BACKUP_WORK"/restore-* "$BACKUP_WORK"/file-*
}

# Moves files and directories in DIRECTORY aside, all or none. If an interrupted attempt has moved the data of before, then
# what is there now is new.
aside() { # DIRECTORY PATTERN...
    in=$1 kept=before-restore-$number
    shift
    find "$in" -mindepth 1 -maxdepth 1 -name 'before-restore-*' ! -name "$kept" ! -name "$kept.new" -exec rm -rf {} +
    [ -e "$in/$kept" ] || mkdir -p "$in/$kept.new"
    for pattern in "$@"; do
        if [ -e "$in/$kept" ]; then
            find "$in" -mindepth 1 -maxdepth 1 -name "$pattern" -exec rm -rf {} +
        else
            find "$in" -mindepth 1 -maxdepth 1 -name "$pattern" -exec mv {} "$in/$kept.new/" \;
        fi
    done
    [ -e "$in/$kept" ] || mv "$in/$kept.new" "$in/$kept"
    chown etcd:etcd "$in/$kept"
}

aside_wal() { aside "$MEMBER_WAL" '*.wal' '*.tmp'; }

case ${1:-} in
give) give ;;
fetch) fetch "$2" "$3" ;;
begin) begin "$2" ;;
member) member ;;
*) echo 'usage: restore.sh give | fetch NUMBER SNAPSHOT | begin NUMBER | member' >&2; exit 2 ;;
esac
