# What is wrong with this host for a cluster: run by `sh -s` as root with the variables below set; changes nothing.
# POSIX sh. Prints `fact NAME VALUE` and `finding TEXT` lines, and `end` as the last but one, before the clock.
#
#   ADDRESS             the address that the page gives it     CONTAINERS, PACKAGES, SWAP   the page's options
#   CORES, MEMORY, DISKS        the least; MiB, and PATH:MIB ...
#   KERNEL, MODULES             the oldest version; names
#   COMMANDS, UNITS, DATA       programs that are called; units and directories that will be ours
#   PORTS, PEERS                PORT:UNIT that listens on it; ADDRESS:PORT of other hosts that it has to reach
# shellcheck shell=sh disable=SC2153,SC2154 # the variables come before this text
set -u
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
ours=/opt/kubernetes/current

fact() { echo "fact $*"; }
finding() { echo "finding $*"; }

system() {
    [ "$(id -u)" = 0 ] || finding "commands run as $(id -un), which is not root"
    fact os "$(sed -n 's/^PRETTY_NAME=//p' /etc/os-release | tr -d '"')"
    [ -d /run/systemd/system ] || finding 'systemd does not run it'
    [ "$(uname -m)" = x86_64 ] || finding "its processor is $(uname -m); allowed: x86_64"
    oldest=$(printf '%s\n' "$KERNEL" "$(uname -r)" | sort -V | head -n 1)
    [ "$oldest" = "$KERNEL" ] || finding "its kernel is $(uname -r); needed: $KERNEL"
    if systemd-detect-virt --container --quiet; then is=true; else is=false; fi
    [ "$is" = "$CONTAINERS" ] || finding "whether it is a container: $is; hardway:machines.containers: $CONTAINERS"
    awk '$5 == "/" {print}' /proc/self/mountinfo | grep -q ' shared:' ||
        finding 'its root is no shared mount, which kubelet needs: mount --make-rshared /'
    lacking=''
    if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
        for name in cpu memory pids; do grep -qw "$name" /sys/fs/cgroup/cgroup.controllers || lacking="$lacking $name"; done
    else
        for name in cpu memory pids; do grep -Eq "^$name.*1\$" /proc/cgroups || lacking="$lacking $name"; done
    fi
    [ -z "$lacking" ] || finding "its kernel lacks the cgroup controllers:$lacking"
}

size() {
    [ "$(nproc)" -ge "$CORES" ] || finding "it has $(nproc) cores; needed: $CORES"
    memory=$(($(sed -n 's/^MemTotal: *\([0-9]*\).*/\1/p' /proc/meminfo) / 1024))
    [ "$memory" -ge "$MEMORY" ] || finding "it has $memory MiB of memory; needed: $MEMORY"
    for disk in $DISKS; do
        path=${disk%:*} least=${disk##*:}
        while [ ! -d "$path" ]; do path=$(dirname "$path"); done
        free=$(df -Pm "$path" | awk 'NR == 2 {print $4}')
        [ "$free" -ge "$least" ] || finding "${disk%:*} has $free MiB free; needed: $least"
    done
}

kernel() {
    swaps=$(awk 'NR > 1 {printf " %s", $1}' /proc/swaps)
    [ -z "$swaps" ] || [ "$SWAP" = disable ] || [ "$CONTAINERS" = true ] ||
        finding "swap is on:$swaps; turn it off, or let hardway:machines.swap be disable"
    known=/lib/modules/$(uname -r)
    for module in $MODULES; do
        grep -qw "$module" /proc/filesystems && continue
        [ -d "/sys/module/$module" ] && continue
        grep -qs "/$module\.ko" "$known/modules.dep" "$known/modules.builtin" ||
            finding "its kernel lacks the module $module"
    done
}

programs() {
    missing=''
    for command in $COMMANDS; do command -v "$command" >/dev/null || missing="$missing $command"; done
    [ -z "$missing" ] && return
    if [ "$PACKAGES" != install ]; then
        finding "it lacks the programs:$missing; install them, or let hardway:machines.packages be install"
    elif ! command -v apt-get >/dev/null; then
        finding "it lacks the programs:$missing; it has no apt-get to install them with"
    fi
}

listener() { # the inode of the socket that listens on port $1, if any
    awk -v port="$(printf ':%04X' "$1")" '$4 == "0A" && substr($2, length($2) - 4) == port {print $10; exit}' \
        /proc/net/tcp /proc/net/tcp6 2>/dev/null
}

ports() {
    for pair in $PORTS; do
        port=${pair%%:*} inode=$(listener "${pair%%:*}")
        [ -n "$inode" ] || continue
        [ -e "$ours" ] && systemctl --quiet is-active "${pair#*:}" && continue
        holder=$(find /proc/[0-9]*/fd -lname "socket:\[$inode\]" 2>/dev/null | head -n 1 | cut -d/ -f3)
        finding "port $port is taken${holder:+ by $(cat "/proc/$holder/comm") (process $holder)}"
    done
}

left_overs() {
    [ ! -e "$ours" ] || return 0
    for unit in $UNITS; do
        path=$(systemctl show --property FragmentPath --value "$unit" 2>/dev/null)
        [ -z "$path" ] || finding "$unit is there already and is not ours: $path"
    done
    for path in $DATA; do
        [ -z "$(ls -A "$path" 2>/dev/null)" ] || finding "$path has the data of something else; move it away"
    done
}

network() {
    grep -A1 -e "-- $ADDRESS\$" /proc/net/fib_trie | grep -q 'host LOCAL' ||
        finding "$ADDRESS is not an address of its"
    for peer in $PEERS; do
        # A host that refuses is there; a firewall that drops lets it take too long.
        said=$(LC_ALL=C timeout 4 bash -c "exec 3<>/dev/tcp/${peer%:*}/${peer##*:}" 2>&1)
        code=$?
        case $code:$said in
        0:* | *refused*) ;;
        124:*) finding "it does not reach $peer: no answer within 4 s; is there a firewall?" ;;
        *) finding "it does not reach $peer: ${said##*: }" ;;
        esac &
    done
    wait
}

fact hostname "$(uname -n)"
fact machine-id "$(cat /etc/machine-id 2>/dev/null)"
system
size
kernel
programs
ports
left_overs
network
echo end
fact clock "$(date +%s)"
