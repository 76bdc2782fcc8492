#!/bin/sh
# Makes and removes what a lab consists of, with podman or docker (same command line for all that is used here).
#
#   local.sh network LAB SUBNET GATEWAY            a network of its own
#   local.sh machine LAB NAME ADDRESS PORTS        a container that boots systemd; PORTS: HOST:CONTAINER ...
#   local.sh files LAB NAME                        unpack the archive on standard input (gzip in base64) into a running one
#   local.sh remove-machine LAB NAME               container and volume; shut down first, unless HARDWAY_AT_ONCE is set
#   local.sh remove-network LAB SUBNET
#
# ENGINE: the engine and its options; IMAGE, MIRROR (folder to show at /srv/mirror, or empty): for `machine`.
# `machine` reads an archive (gzip in base64) from standard input and unpacks it before the machine boots.
set -eu
engine() { $ENGINE "$@"; } # unquoted: "podman --runtime PATH"
label=hardway.lab

owned() { # is there such a container or network, and is it of this lab?
    owner=$(engine "$1" inspect --format "$2" "$3" 2>/dev/null) || return 1
    [ "$owner" = "$lab" ] || { echo "$3 exists and does not belong to the lab $lab" >&2; exit 1; }
}

remove_machine() { # NAME [at-once]
    if owned container "{{index .Config.Labels \"$label\"}}" "$lab-$1"; then
        # An API server answers to the end what it was asked. Where everything goes there is nobody left to care.
        [ -n "${2:-}" ] || engine stop --time 20 "$lab-$1" >/dev/null 2>&1 || true
        engine kill "$lab-$1" >/dev/null 2>&1 || true
        engine rm --force --volumes "$lab-$1" >/dev/null
    fi
    engine volume rm --force "$lab-$1" >/dev/null 2>&1 || true
}

# An address of a lab that is not up must lead nowhere: the host's default route would carry it to someone else.
guard_route() { [ "$(id -u)" != 0 ] || ! command -v ip >/dev/null || ip route "$@" 2>/dev/null || true; }

action=$1 lab=$2
shift 2
case $action in
network)
    subnet=$1 gateway=$2
    case $ENGINE in
    podman*) set -- --disable-dns ;;
    *) set -- ;;
    esac
    owned network "{{index .Labels \"$label\"}}" "$lab" ||
        engine network create "$@" --subnet "$subnet" --gateway "$gateway" --label "$label=$lab" "$lab" >/dev/null
    guard_route replace unreachable "$subnet" metric 4294967294
    ;;
machine)
    name=$1 address=$2 ports=$3
    watches=$(cat /proc/sys/fs/inotify/max_user_instances 2>/dev/null || echo 1024)
    [ "$watches" -ge 512 ] || { echo "too few watches: sysctl -w fs.inotify.max_user_instances=1024" >&2; exit 1; }
    remove_machine "$name" at-once # what a run that was killed left behind
    set -- --name "$lab-$name" --hostname "$name" --label "$label=$lab" --network "$lab" --ip "$address" \
        --privileged --cgroupns=private --ulimit nofile=20000:20000 --ulimit nproc=10000:10000 \
        --tmpfs /run --tmpfs /run/lock --tmpfs /tmp --volume "$lab-$name:/var"
    # Not podman's own systemd mode: on cgroup v1 that shows the host's systemd hierarchy to every machine, whose
    # units would then share cgroups.
    case $ENGINE in podman*) set -- "$@" --systemd=false ;; esac
    [ -z "${MIRROR:-}" ] || set -- "$@" --volume "$MIRROR:/srv/mirror:ro"
    for port in $ports; do set -- "$@" --publish "127.0.0.1:$port"; done
    engine create "$@" "$IMAGE" >/dev/null
    # podman spools the archive, host key and all, into a file that it forgets.
    TMPDIR=$(mktemp -d)
    export TMPDIR
    trap 'rm -rf "$TMPDIR"' EXIT
    base64 -d | gzip -d | engine cp - "$lab-$name:/"
    engine start "$lab-$name" >/dev/null
    ;;
files)
    base64 -d | gzip -d | engine exec -i "$lab-$1" tar -xpf - -C /
    engine exec "$lab-$1" systemctl reload-or-restart "${RELOAD:?}"
    ;;
remove-machine)
    remove_machine "$1" "${HARDWAY_AT_ONCE:-}"
    ;;
remove-network)
    if owned network "{{index .Labels \"$label\"}}" "$lab"; then engine network rm --force "$lab" >/dev/null; fi
    guard_route del unreachable "$1" metric 4294967294
    ;;
esac
