#!/bin/sh
# Takes snapshots of etcd and brings them to a place outside of the cluster. POSIX sh; runs on members of etcd.
#
#   backup.sh tick    as the user etcd: takes a snapshot if the newest one is old enough; a timer calls this
#   backup.sh now     as root: takes a snapshot, reads it back, and prints it
#   backup.sh list    as root: prints the snapshots, the newest last
#   backup.sh state   as root: brings the state of Pulumi, which comes compressed on standard input, to the same place
#   backup.sh before-upgrade ETCD KUBERNETES
#                     as root: takes a snapshot and reads it back if other minor versions run than these; fails if that
#                     is not possible. Runs in the release of the page, before any release with these versions is active
#
# A lock in etcd keeps two members from taking a snapshot at the same time. etcd also knows when the newest snapshot was
# taken, so that members do not ask the place. A snapshot counts only after etcdutl has verified its file, and the file
# is in the place.
#
# Exit status 73 (EX_CANTCREAT of sysexits.h): the place answers and takes nothing more, so another member need not try:
# tools/operate/snapshots.py. `etcdctl lock` ends with the status of its command.
# shellcheck disable=SC2154 # snapshots.sh sets some variables
set -eu
umask 077
here=$(cd "$(dirname "$0")" && pwd -P)
root=${HARDWAY_ROOT:-/opt/kubernetes}
# shellcheck source=/dev/null
. "$here/snapshots.sh"
# shellcheck source=/dev/null
. "$here/cfg/etcd-functions"
last=/hardway/backup/last # TIME ID REVISION ETCD KUBERNETES: of the newest snapshot
read_back=/hardway/backup/read-back # the time at which a snapshot was read back
read_seconds=86400
wait_seconds=1800 # for the lock
takes_nothing=73
reach_seconds=60 # restic itself tries for 15 minutes
no_bucket='bucket does not exist'
# ETCD KUBERNETES that the cluster runs. Before an upgrade the settings are already those of the page.
versions=${BACKUP_VERSIONS:-$BACKUP_ETCD $BACKUP_KUBERNETES}
whose=$cluster # the host of what restic takes or removes

seconds_of() { ctl --endpoints="$clients" get --print-value-only "$1" | cut -d' ' -f1 | grep . || echo 0; }

is_due() {
    now=$(date +%s) taken=$(seconds_of "$last")
    write_metric "$taken"
    # Two looks of a member are at most one and a half ticks apart: no snapshot gets older than BACKUP_SECONDS.
    [ $((now - taken)) -ge $((BACKUP_SECONDS - 2 * BACKUP_TICK)) ]
}

# For the text file collector of Prometheus' node exporter.
write_metric() {
    {
        echo '# TYPE hardway_backup_last_success_timestamp_seconds gauge'
        echo "hardway_backup_last_success_timestamp_seconds $1"
    } >"$BACKUP_WORK/.metrics"
    chmod 0644 "$BACKUP_WORK/.metrics"
    mv "$BACKUP_WORK/.metrics" "$BACKUP_WORK/hardway_backup.prom"
}

locked() { # COMMAND...: this script with COMMAND, while no other member takes a snapshot
    # shellcheck disable=SC2086 # several options
    timeout "$wait_seconds" env NO_PROXY='*' "$root/bin/etcdctl" $tls --endpoints="$clients" --dial-timeout=5s lock \
        --ttl=30 /hardway/backup/lock -- sh "$here/backup.sh" "$@"
}

take() { # read: also read the snapshot back
    begun=$(date +%s) work=$BACKUP_WORK/taking errors=$BACKUP_WORK/errors
    rm -rf "$work"
    mkdir -p "$work"
    trap 'rm -rf "$work" "$errors"' EXIT
    ctl --endpoints="$clients" endpoint health >/dev/null 2>"$errors" ||
        fail "the member of this machine is not healthy, so it gives no snapshot: $(tail -n 1 "$errors")"
    ctl --endpoints="$clients" --command-timeout=600s snapshot save "$work/etcd.db" >/dev/null 2>"$errors" ||
        fail "etcd gives no snapshot: $(tail -n 1 "$errors")"
    # HASH, REVISION, KEYS, SIZE; fails if the file is damaged
    status=$("$root/bin/etcdutl" snapshot status --write-out=simple "$work/etcd.db" 2>"$errors") ||
        fail "the snapshot is damaged: $(tail -n 1 "$errors")"
    revision=$(echo "$status" | cut -d, -f2 | tr -d ' ')
    digest=$(sha256_of "$work/etcd.db")
    {
        echo "format 1"
        echo "cluster $cluster"
        echo "taken $(date -u +%Y-%m-%dT%H:%M:%SZ)"
        echo "revision $revision"
        echo "sha256 $digest"
        echo "etcd ${versions% *}"
        echo "kubernetes ${versions#* }"
        echo "keys $(keys_in_use)"
        echo "pki $(authorities)"
        echo "members $(ctl --endpoints="$clients" member list | cut -d, -f3 | tr -d ' ' | paste -sd, -)"
    } >"$work/metadata"
    make_repository
    id=$(repository backup --json --host "$whose" --tag "revision-$revision" "$work" 2>"$errors" | id_of_summary)
    if [ -z "$id" ]; then
        why=$(because "$errors")
        # A full place would stay full, also with a smaller number of snapshots on the page. It has no room to pack anew
        # what stays.
        remove_old --max-repack-size 0 || true
        refused "does not take the snapshot: $why"
    fi
    how=''
    if [ "${1:-}" = read ] || [ $((begun - $(seconds_of "$read_back"))) -ge "$read_seconds" ]; then
        found=$(repository dump "$id" "$work/etcd.db" 2>"$errors" | openssl dgst -sha256 -r | cut -d' ' -f1)
        [ "$found" = "$digest" ] || fail "$BACKUP_REPOSITORY gives back another file than it got: $(because "$errors")"
        ctl --endpoints="$clients" put "$read_back" "$begun" >/dev/null
        how=', read back'
    fi
    ctl --endpoints="$clients" put "$last" "$begun $id $revision $versions" >/dev/null
    write_metric "$begun"
    remove_old || say "cannot remove old snapshots: $(because "$errors")" >&2
    size=$(stat -c %s "$work/etcd.db")
    short=$(echo "$id" | cut -c1-8)
    say "snapshot $short of revision $revision: $((size / 1024)) KiB in $(($(date +%s) - begun)) s$how"
}

refused() { say "$BACKUP_REPOSITORY $1" >&2; exit "$takes_nothing"; }

id_of_summary() { sed -n 's/.*"message_type":"summary".*"snapshot_id":"\([0-9a-f]*\)".*/\1/p'; }

# The state of Pulumi is in this file only while restic reads it.
state() {
    find "$BACKUP_WORK" -maxdepth 1 -name 'state-*' -mmin +60 -delete # of killed runs
    file=$(mktemp "$BACKUP_WORK/state-XXXXXX")
    trap 'rm -f "$file"' EXIT
    gunzip >"$file" 2>/dev/null || fail 'the state did not arrive whole'
    chown etcd:etcd "$file"
    runuser -u etcd -- sh "$here/backup.sh" state_as_etcd "$file"
}

# A host of its own keeps the state out of the list of snapshots, out of `latest`, and out of what is kept of etcd.
take_state() { # FILE
    errors=$BACKUP_WORK/errors whose=$cluster.state
    trap 'rm -f "$errors"' EXIT
    make_repository
    id=$(repository backup --json --host "$whose" --tag state --stdin --stdin-filename state.json <"$1" 2>"$errors" | id_of_summary)
    [ -n "$id" ] || refused "does not take the state of Pulumi: $(because "$errors")"
    found=$(repository dump "$id" state.json 2>"$errors" | openssl dgst -sha256 -r | cut -d' ' -f1)
    [ "$found" = "$(sha256_of "$1")" ] || fail "$BACKUP_REPOSITORY gives back another state than it got: $(because "$errors")"
    remove_old || say "cannot remove old states: $(because "$errors")" >&2
    say "state of Pulumi $(echo "$id" | cut -c1-8): $(($(stat -c %s "$1") / 1024)) KiB, read back"
}

remove_old() { # further options of `restic forget`
    # shellcheck disable=SC2086 # several options
    repository forget --host "$whose" --group-by host $BACKUP_KEEP --prune "$@" >/dev/null 2>"$errors"
}

# Generations of the encryption key with which Secrets are encrypted now, with commas.
keys_in_use() {
    ctl --endpoints="$clients" --command-timeout=60s get --prefix /registry/secrets/ --print-value-only |
        grep -ao '^k8s:enc:secretbox:v1:key[0-9]*:' | tr -dc '0-9\n:' | cut -d: -f5 | sort -un | paste -sd, -
}

# Makes the repository if there is none. Removes locks of killed runs: no other run is possible now.
make_repository() {
    if repository unlock --remove-all >/dev/null 2>"$errors"; then return; fi
    is_empty || fail "cannot use $BACKUP_REPOSITORY: $(because "$errors")"
    repository init >/dev/null 2>"$errors" || fail "cannot use $BACKUP_REPOSITORY: $(because "$errors")"
}

# Whether restic says that the place has no repository: S3 and SFTP, or a folder. restic asks "Is there a repository at
# the following location?" after any error. A bucket that does not exist is not empty: `restic init` would make it, and a
# typing error on the page would scatter snapshots. restic asks for the bucket itself only if it does not know the region.
is_empty() {
    grep -q '^Fatal:.*\(does not exist\|/config: no such file or directory\)' "$errors" || return 1
    case $BACKUP_REPOSITORY in s3:*) ;; *) return 0 ;; esac
    ! grep -q "$no_bucket" "$errors" || return 1
    [ -n "$BACKUP_REGION" ] || return 0
    (BACKUP_REGION='' && repository cat config --no-lock >/dev/null 2>"$errors.bucket") || true
    if grep -q "$no_bucket" "$errors.bucket"; then mv "$errors.bucket" "$errors" && return 1; fi
    rm -f "$errors.bucket"
}

list() {
    errors=$(mktemp)
    trap 'rm -f "$errors"' EXIT
    if all_snapshots "$errors"; then return; fi
    is_empty || fail "cannot list the snapshots of $BACKUP_REPOSITORY: $(because "$errors")"
    say "$BACKUP_REPOSITORY has no snapshots yet"
}

# The state of Pulumi has that this was done, so that an upgrade which goes on takes no further snapshot.
before_upgrade() { # ETCD KUBERNETES
    [ -e "$root/current/cfg/backup.env" ] || { say 'the release that runs takes no snapshots'; return; }
    number=$(cut -d' ' -f1 "$here/cfg/restore" 2>/dev/null || true)
    [ -z "$number" ] || [ "$number" = "$(cat "$root/etcd-restored" 2>/dev/null || true)" ] ||
        { say "restore $number replaces the data, so there is nothing to keep"; return; }
    wanted="$1 $2" errors=$(mktemp)
    trap 'rm -f "$errors"' EXIT
    was=$(versions_that_run)
    # A machine that was replaced in this run has the release of the page; the newest snapshot is of the others.
    [ "$(minors "$was")" != "$wanted" ] || was=$(ctl --endpoints="$clients" get --print-value-only "$last" 2>/dev/null | cut -d' ' -f4,5)
    [ -n "$was" ] && [ "$(minors "$was")" != "$wanted" ] || { say 'no minor version changes'; return; }
    step="from etcd ${was% *} and Kubernetes ${was#* } to etcd $1 and Kubernetes $2"
    if reach && (BACKUP_VERSIONS=$was && export BACKUP_VERSIONS && as_etcd now_as_etcd 2>"$errors"); then return; fi
    # etcdctl adds a line, "exit status 1".
    problem=$(sed -n "s/^$(hostname): //p" "$errors" | tail -n 1)
    fail "there is no snapshot before the upgrade $step: ${problem:-$(tail -n 1 "$errors")}. Nothing was changed. \
When the cause is mended, run \`up\` again. To upgrade all the same, set another place as hardway:backup.to, or take \
hardway:backup off the page: docs/backup.md"
}

# shellcheck source=/dev/null
versions_that_run() { (. "$root/current/cfg/backup.env" && echo "$BACKUP_ETCD $BACKUP_KUBERNETES"); }
minors() { echo "$(echo "${1% *}" | cut -d. -f1,2) $(echo "${1#* }" | cut -d. -f1,2)"; }

# Whether the place answers; a new place answers that it is empty. If not, $errors says why.
reach() {
    ! limit=$reach_seconds repository cat config --no-lock >/dev/null 2>"$errors" || return 0
    ! is_empty || return 0
    why=$(because "$errors")
    echo "$BACKUP_REPOSITORY does not answer: ${why:-nothing within $reach_seconds s}" >"$errors"
    return 1
}

as_etcd() { exec runuser -u etcd -- sh "$here/backup.sh" "$1"; }

case ${1:-} in
tick) if is_due; then locked due; fi ;;
due) if is_due; then take; fi ;; # another member may have been faster
now) as_etcd now_as_etcd ;;
now_as_etcd) locked take ;;
take) take read ;;
list) list ;;
state) state ;;
state_as_etcd) locked take_state "$2" ;;
take_state) take_state "$2" ;;
before-upgrade) before_upgrade "$2" "$3" ;;
*) fail 'usage: backup.sh tick | now | list | state | before-upgrade ETCD KUBERNETES' ;;
esac
