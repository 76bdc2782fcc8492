#!/bin/sh
# Makes and removes what a lab consists of, with podman or docker (same command line for all that is used here).
#
#   local.sh network LAB SUBNET GATEWAY            a network of its own
#   local.sh machine LAB NAME ADDRESS PORTS        a container that boots systemd; PORTS: HOST:CONTAINER ...
#   local.sh files LAB NAME                        unpack the archive on standard input (gzip in base64) into a running one
#   local.sh remove-machine LAB NAME               container and volume; shut down first, unless HARDWAY_AT_ONCE is set
#   local.sh remove-network LAB SUBNET             also what is left of the lab's machines
#
# Each may be killed, or its caller, and called again: it waits for what a killed run has started, and begins anew.
#
# ENGINE: the engine and its options; IMAGE, MIRROR (folder to show at /srv/mirror, or empty): for `machine`.
# `machine` reads an archive (gzip in base64) from standard input and unpacks it before the machine boots.
set -eu
engine() { $ENGINE "$@" 9>&-; } # unquoted: "podman --runtime PATH"; without the lock, or containers would hold it
label=hardway.lab

owned() { # is there such a container or network, and is it of this lab?
    owner=$(engine "$1" inspect --format "$2" "$3" 2>/dev/null) || return 1
    [ "$owner" = "$lab" ] || { echo "$3 exists and does not belong to the lab $lab" >&2; exit 1; }
}

# One call at a time for each machine. A killed Pulumi leaves the call behind that it was waiting for; one that gets
# the lock only then has nobody who wants its work, and would spoil that of its successor.
alone() {
    command -v flock >/dev/null || return 0
    mkdir -p "$locks/$lab"
    exec 9>"$locks/$lab/$1"
    flock -w 120 9 || { echo "another run is still at work on $lab-$1" >&2; exit 1; }
    [ ! -e /proc/$$/status ] || grep -q "^PPid:[[:space:]]*$PPID\$" /proc/$$/status || exit 1
}

# Not to be killed half way: podman would keep the address for a container that it does not know to run, and give it to
# nobody until the network goes. So a process of its own starts it, which holds the lock and is waited for by its output.
start_container() {
    own_session=$(command -v setsid || true)
    # shellcheck disable=SC2086 # the engine may have options
    said=$( ($own_session sh -c 'trap "" PIPE HUP; "$@" 2>&1 >/dev/null 9>&- && echo started' start $ENGINE start "$1" &))
    [ "$said" = started ] || { echo "$said" >&2; return 1; }
}

# For a moment podman cannot: what a killed run has started still holds the container's mounts.
remove_container() {
    attempt=1
    until said=$(engine rm --force --volumes "$1" 2>&1 >/dev/null); do
        [ "$attempt" -lt 10 ] || { echo "$said" >&2; return 1; }
        attempt=$((attempt + 1))
        sleep 1
    done
}

remove_machine() { # NAME [at-once]
    if owned container "{{index .Config.Labels \"$label\"}}" "$lab-$1"; then
        # An API server answers to the end what it was asked. Where everything goes there is nobody left to care.
        [ -n "${2:-}" ] || engine stop --time 20 "$lab-$1" >/dev/null 2>&1 || true
        engine kill "$lab-$1" >/dev/null 2>&1 || true
        remove_container "$lab-$1"
    fi
    engine volume rm --force "$lab-$1" >/dev/null 2>&1 || true
}

# What a killed run has made and nobody has recorded, so that nobody will remove it.
remove_left_overs() {
    for lock in "$locks/$lab"/*; do [ ! -e "$lock" ] || alone "${lock##*/}"; done
    for container in $(engine ps --all --quiet --filter "label=$label=$lab"); do
        remove_container "$container"
    done
    for volume in $(engine volume ls --quiet --filter dangling=true); do
        case $volume in "$lab"-*) engine volume rm --force "$volume" >/dev/null ;; esac
    done
    rm -rf "${locks:?}/$lab"
}

# An address of a lab that is not up must lead nowhere: the host's default route would carry it to someone else.
guard_route() { [ "$(id -u)" != 0 ] || ! command -v ip >/dev/null || ip route "$@" 2>/dev/null || true; }

locks=.cache/labs
action=$1 lab=$2
shift 2
case $action in machine | files | remove-machine) alone "$1" ;; esac
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
    start_container "$lab-$name"
    ;;
files)
    base64 -d | gzip -d | engine exec -i "$lab-$1" tar -xpf - -C /
    engine exec "$lab-$1" systemctl reload-or-restart "${RELOAD:?}"
    ;;
remove-machine)
    remove_machine "$1" "${HARDWAY_AT_ONCE:-}"
    ;;
remove-network)
    there=no
    if owned network "{{index .Labels \"$label\"}}" "$lab"; then there=yes; fi
    remove_left_overs
    [ "$there" = no ] || engine network rm --force "$lab" >/dev/null
    guard_route del unreachable "$1" metric 4294967294
    ;;
esac
