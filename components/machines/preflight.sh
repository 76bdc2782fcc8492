# What is wrong with this host for a cluster: run by `sh -s` as root with the variables below set; changes nothing.
# POSIX sh. Prints `fact NAME VALUE` and `finding TEXT` lines, and `end` as the last but one, before the clock.
#
#   ADDRESS             the address that the page gives it     CONTAINERS, PACKAGES, SWAP   the page's options
#   CORES, MEMORY, DISKS        the least; MiB, and PATH:MIB ...
#   KERNEL, MODULES, SYSCTLS    the oldest version; names; NAME=VALUE that will be set
#   COMMANDS, UNITS, DATA       programs that are called; units and directories that will be ours
#   PORTS                       PORT:UNIT or PORT/udp:UNIT that listens on it
#   PEERS, SERVERS              HOST:PORT of other nodes, which may refuse yet, and of mirrors, which may not
#   VIRTUAL                     ADDRESS:PORT of the virtual address, on hosts that may hold it
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
    for setting in $SYSCTLS; do
        name=${setting%%=*} path=/proc/sys/$(echo "${setting%%=*}" | tr . /)
        if [ ! -e "$path" ]; then
            # Those of bridges are there when their module is.
            case $name:$MODULES in net.bridge.*:*br_netfilter*) continue ;; esac
            finding "its kernel lacks the setting $name"
        elif [ "$(cat "$path")" != "${setting#*=}" ] && [ ! -w "$path" ]; then
            finding "its setting $name is $(cat "$path") and cannot be changed; needed: ${setting#*=}"
        fi
    done
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

listener() { # the inode of the socket that listens on port $1 (PORT or PORT/udp), if any
    case $1 in
    */udp) files='/proc/net/udp /proc/net/udp6' state=07 ;;
    *) files='/proc/net/tcp /proc/net/tcp6' state=0A ;;
    esac
    # shellcheck disable=SC2086 # two names
    awk -v port="$(printf ':%04X' "${1%/udp}")" -v state="$state" \
        '$4 == state && substr($2, length($2) - 4) == port {print $10; exit}' $files 2>/dev/null
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

has_address() { grep -A1 -e "-- $1\$" /proc/net/fib_trie | grep -q 'host LOCAL'; }

reach() { # connect to $1, HOST:PORT: `open`, `refused`, or what is wrong
    said=$(LC_ALL=C timeout 4 bash -c "exec 3<>/dev/tcp/${1%:*}/${1##*:}" 2>&1)
    code=$?
    case $code:$said in
    0:*) echo open ;;
    *refused*) echo refused ;;
    *'Name or service not known'* | *'resolution'*) echo 'it does not know that name' ;;
    124:*) echo 'no answer within 4 s; is there a firewall?' ;;
    *) echo "${said##*: }" ;;
    esac
}

network() {
    has_address "$ADDRESS" || finding "$ADDRESS is not an address of its"
    for peer in $PEERS; do
        # A node that refuses is there; a firewall that drops lets it take too long.
        (
            found=$(reach "$peer")
            case $found in open | refused) ;; *) finding "it does not reach $peer: $found" ;; esac
        ) &
    done
    for server in $SERVERS; do
        (
            found=$(reach "$server")
            [ "$found" = open ] || finding "it does not reach the mirror $server: $found"
        ) &
    done
    [ -z "$VIRTUAL" ] || virtual_address &
    wait
}

virtual_address() {
    if has_address "${VIRTUAL%:*}"; then
        fact virtual-address "held ${VIRTUAL%:*}"
        [ -e "$ours" ] || finding "it has the virtual address ${VIRTUAL%:*} already"
    else
        case $(reach "$VIRTUAL") in open | refused) fact virtual-address "taken ${VIRTUAL%:*}" ;; esac
    fi
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
