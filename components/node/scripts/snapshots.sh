# shellcheck shell=sh disable=SC2034,SC2154
# Snapshots of etcd outside of the cluster. Functions for backup.sh and restore.sh, which set:
#   root    where releases lie
#   here    the release whose settings and credentials count
#   limit   seconds that one command of restic may take; unset or empty: as long as restic tries
#
# cfg/backup.env of the release sets:
#   BACKUP_REPOSITORY   the place, as restic names places
#   BACKUP_WORK         a directory of the user etcd
#   BACKUP_SECONDS      the longest time between two snapshots
#   BACKUP_TICK         seconds between two looks of a member
#   BACKUP_KEEP         options of `restic forget`
#   BACKUP_REGION BACKUP_CA BACKUP_SFTP   empty, or how the place is reached
#   BACKUP_KEYS         generations of the encryption key that API servers know, with commas
#   BACKUP_ETCD BACKUP_KUBERNETES         versions of this release

say() { echo "$(hostname): $*" || true; }
fail() { say "$*" >&2; exit 1; }

# shellcheck source=/dev/null
. "$here/cfg/backup.env"
cluster=$(cat "$here/cfg/cluster-id")
tls="--cacert=$root/ssl/etcd/ca.pem --cert=$root/ssl/etcd/peer.pem --key=$root/ssl/etcd/peer.key"
clients=https://127.0.0.1:2379

# restic with the place and the credentials of the release, as the user etcd: ssh refuses a private key of root that a
# group may read. The environment has the secrets, so that other users do not see them.
repository() {
    (
        RESTIC_PASSWORD_FILE=$here/ssl/backup/password RESTIC_REPOSITORY=$BACKUP_REPOSITORY TZ=UTC
        export RESTIC_PASSWORD_FILE RESTIC_REPOSITORY TZ
        if [ -e "$here/ssl/backup/environment" ]; then
            set -a
            # shellcheck source=/dev/null
            . "$here/ssl/backup/environment"
        fi
        set -- "$@" --no-cache
        [ -z "$BACKUP_REGION" ] || set -- "$@" --option "s3.region=$BACKUP_REGION"
        [ -z "$BACKUP_CA" ] || set -- "$@" --cacert "$BACKUP_CA"
        [ -z "$BACKUP_SFTP" ] || set -- "$@" --option "sftp.command=$BACKUP_SFTP"
        set -- restic "$@"
        [ -z "${limit:-}" ] || set -- timeout "$limit" "$@"
        [ "$(id -u)" != 0 ] || set -- runuser -u etcd -- "$@"
        cd / # the user etcd may not enter the directory of the caller
        exec "$@"
    )
}

# Why restic failed, without the frame that ssh puts around its warnings. What made restic try again may be the only line
# with the reason.
because() {
    found=$(sed -n '/@@@/d; s/^Fatal: //p; s/^subprocess ssh: //p' "$1" | head -n 3 | paste -sd' ' -)
    tried=$(sed -n 's/^.* returned error, retrying after [^:]*: //p' "$1" | tail -n 1)
    case $found in
    *'wrong password'*) found="$found. It has snapshots of another cluster, or of a stack that is gone: each cluster needs \
a prefix or a path of its own" ;;
    esac
    # An error that restic did not expect has no such word, and its reason lines before its end.
    [ -n "$found" ] || found=$(tail -n 1 "$1")
    case $found in *"$tried"*) echo "$found" ;; *) echo "$found: $tried" ;; esac
}

# A line "TIME ID" for each snapshot of this cluster, the oldest first. Times are in UTC, to the second.
all_snapshots() { # ERRORS
    found=$(repository snapshots --json --no-lock 2>"$1") || return 1
    echo "$found" | tr '{' '\n' | grep -F "\"hostname\":\"$cluster\"" |
        sed -n 's/.*"time":"\([0-9T:-]*\)[^"]*".*"id":"\([0-9a-f]*\)".*/\1 \2/p' | sort
}

# The digest of the authorities that this machine trusts.
authorities() {
    cat "$root/ssl/kubernetes-ca.pem" "$root/ssl/etcd/ca.pem" 2>/dev/null | openssl dgst -sha256 -r | cut -d' ' -f1
}

sha256_of() { openssl dgst -sha256 -r "$1" | cut -d' ' -f1; }
