#!/bin/sh
# Makes and removes the local network, gateway and machines of a stack, with podman or docker (the same command lines).
#
#   local.sh network STACK SUBNET GATEWAY          the network; STACK: the unique name of the local network
#   local.sh machine STACK NAME ADDRESS PORTS      a container that boots systemd; PORTS: HOST:CONTAINER ...
#   local.sh files STACK NAME                      unpack the archive on standard input (gzip in base64) into a machine
#   local.sh remove-machine STACK NAME             container and volume; shut down first, unless HARDWAY_AT_ONCE is set
#   local.sh remove-network STACK SUBNET           also left-over machines of the stack
#
# Each call, or its caller, may be killed and repeated: the next call waits for what a killed call started and redoes it.
#
# ENGINE: the engine and its options; IMAGE, MIRROR (folder to mount at /srv/mirror, or empty): for `machine`.
# `machine` reads an archive (gzip in base64) from standard input and unpacks it before the machine boots.
set -eu
engine() { $ENGINE "$@" 9>&-; } # unquoted: "podman --runtime PATH"; without the lock, which containers would keep
label=hardway.lab

owned() { # whether the container or network exists; fails if it belongs to another stack
    owner=$(engine "$1" inspect --format "$2" "$3" 2>/dev/null) || return 1
    [ "$owner" = "$lab" ] || { echo "$3 exists and does not belong to the local network $lab" >&2; exit 1; }
}

# One call at a time for each machine. A killed Pulumi leaves its calls behind: a call that gets the lock after its
# caller has ended must do nothing, since it would undo the work of a later run.
alone() {
    command -v flock >/dev/null || return 0
    mkdir -p "$locks/$lab"
    exec 9>"$locks/$lab/$1"
    flock -w 120 9 || { echo "another run is still at work on $lab-$1" >&2; exit 1; }
    [ ! -e /proc/$$/status ] || grep -q "^PPid:[[:space:]]*$PPID\$" /proc/$$/status || exit 1
}

# Runs a command of the engine to its end, also if this call is killed: prints `done`, or what the engine said. A start
# that is killed leaves its address allocated to a container that podman does not know to run; a removal that is killed
# leaves firewall rules that nothing removes. So a process of its own session runs the command; the process holds the
# lock, and its output is waited for.
whole() {
    own_session=$(command -v setsid || true)
    # shellcheck disable=SC2086 # the engine may have options
    ($own_session sh -c 'trap "" PIPE HUP; "$@" 2>&1 >/dev/null 9>&- && echo done' whole $ENGINE "$@" &)
}

# An edit may give a machine the address that another machine has until the same run replaces the other machine.
start_container() { # CONTAINER ADDRESS
    attempt=1
    until said=$(whole start "$1") && [ "$said" = 'done' ]; do
        case $said in
        *ip\ address*already\ allocated* | *Address\ already\ in\ use*) ;;
        *) echo "$said" >&2; return 1 ;;
        esac
        if [ "$attempt" -ge 60 ]; then
            echo "$said" >&2
            echo "another machine still has the address $2: if this edit removes the node of that machine, then remove" \
                "the node alone, run make up, and add the new node afterwards" >&2
            return 1
        fi
        attempt=$((attempt + 1))
        sleep 1
    done
}

# Tries again: processes of a killed run may still hold the container's mounts for a moment.
remove() { # command of the engine
    attempt=1
    until said=$(whole "$@") && [ "$said" = 'done' ]; do
        [ "$attempt" -lt 10 ] || { echo "$said" >&2; return 1; }
        attempt=$((attempt + 1))
        sleep 1
    done
}
remove_container() { remove rm --force --volumes "$1"; }
remove_volume() { remove volume rm --force "$1"; }

# Whether podman's storage has a container that podman does not know: a killed `create` leaves it, and its name is taken.
is_in_storage() {
    case $ENGINE in
    podman*) engine container exists --external "$1" ;;
    *) return 1 ;;
    esac
}

remove_machine() { # NAME [at-once]
    if owned container "{{index .Config.Labels \"$label\"}}" "$lab-$1"; then
        # A shutdown lets an API server finish its requests. If all machines are removed, then no client needs that.
        [ -n "${2:-}" ] || engine stop --time 20 "$lab-$1" >/dev/null 2>&1 || true
        engine kill "$lab-$1" >/dev/null 2>&1 || true
        remove_container "$lab-$1"
    elif is_in_storage "$lab-$1"; then
        remove_container "$lab-$1"
    fi
    remove_volume "$lab-$1"
}

# If podman is killed while podman removes a volume, or loses its database, then the folder of the volume stays. The next
# machine of that name would start with the data in the folder. podman removes a folder only if podman knows the volume.
remove_forgotten_volumes() {
    case $ENGINE in podman*) ;; *) return 0 ;; esac
    folder=$(engine info --format '{{.Store.VolumePath}}')
    for path in "$folder/$lab"-*; do
        [ -d "$path" ] || continue
        engine volume exists "${path##*/}" && continue
        engine volume create "${path##*/}" >/dev/null
        remove_volume "${path##*/}"
    done
}

# Removes containers and volumes of a killed run: Pulumi has not recorded them, so nothing else removes them.
remove_left_overs() {
    for lock in "$locks/$lab"/*; do [ ! -e "$lock" ] || alone "${lock##*/}"; done
    for container in $(engine ps --all --quiet --filter "label=$label=$lab"); do
        remove_container "$container"
    done
    case $ENGINE in
    podman*)
        for container in $(engine ps --all --external --format '{{.Names}}'); do
            case $container in "$lab"-*) remove_container "$container" ;; esac
        done
        ;;
    esac
    for volume in $(engine volume ls --quiet --filter dangling=true); do
        case $volume in "$lab"-*) remove_volume "$volume" ;; esac
    done
    remove_forgotten_volumes
    rm -rf "${locks:?}/$lab"
}

# An address of a local network that is not up must be unreachable: the default route would lead to another machine.
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
    if ! owned network "{{index .Labels \"$label\"}}" "$lab"; then
        remove_forgotten_volumes
        engine network create "$@" --subnet "$subnet" --gateway "$gateway" --label "$label=$lab" "$lab" >/dev/null
    fi
    guard_route replace unreachable "$subnet" metric 4294967294
    ;;
machine)
    name=$1 address=$2 ports=$3
    watches=$(cat /proc/sys/fs/inotify/max_user_instances 2>/dev/null || echo 1024)
    [ "$watches" -ge 512 ] || { echo "too few watches: sysctl -w fs.inotify.max_user_instances=1024" >&2; exit 1; }
    remove_machine "$name" at-once # left-overs of a killed run
    set -- --name "$lab-$name" --hostname "$name" --label "$label=$lab" --network "$lab" --ip "$address" \
        --privileged --cgroupns=private --ulimit nofile=20000:20000 --ulimit nproc=10000:10000 \
        --tmpfs /run --tmpfs /run/lock --tmpfs /tmp --volume "$lab-$name:/var"
    # Not podman's own systemd mode: on cgroup v1 that mode shows the host's systemd hierarchy to every machine, and the
    # units of machines would share cgroups.
    case $ENGINE in podman*) set -- "$@" --systemd=false ;; esac
    [ -z "${MIRROR:-}" ] || set -- "$@" --volume "$MIRROR:/srv/mirror:ro"
    for port in $ports; do set -- "$@" --publish "127.0.0.1:$port"; done
    engine create "$@" "$IMAGE" >/dev/null
    # podman writes the archive, with the host key, to a temporary file and does not delete it.
    TMPDIR=$(mktemp -d)
    export TMPDIR
    trap 'rm -rf "$TMPDIR"' EXIT
    base64 -d | gzip -d | engine cp - "$lab-$name:/"
    start_container "$lab-$name" "$address"
    ;;
files)
    base64 -d | gzip -d | engine exec -i "$lab-$1" tar -xpf - -C /
    # An earlier version of the program may have made this machine: with other units.
    engine exec "$lab-$1" systemctl daemon-reload
    # shellcheck disable=SC2086 # several units
    engine exec "$lab-$1" systemctl reload-or-restart ${RELOAD:?}
    ;;
remove-machine)
    remove_machine "$1" "${HARDWAY_AT_ONCE:-}"
    ;;
remove-network)
    there=no
    if owned network "{{index .Labels \"$label\"}}" "$lab"; then there=yes; fi
    remove_left_overs
    if [ "$there" = yes ]; then remove network rm --force "$lab"; fi
    guard_route del unreachable "$1" metric 4294967294
    ;;
esac
