# Inspects this host and changes nothing. `sh -s` runs this POSIX script as root, after lines that set these variables.
# Prints lines `fact NAME VALUE` and `finding TEXT`, then the line `end`. The facts `clock-first` and `clock` are the first
# and the last thing that the script reads.
#
#   ADDRESS, ARCHITECTURE       the address of the host on the page; amd64 or arm64, amd64 if it is not set
#   CONTAINERS, PACKAGES, SWAP  options of the page
#   CORES, MEMORY, DISKS        minimum: a number; MiB; PATH:MIB ...
#   KERNEL, MODULES, SYSCTLS    the oldest allowed version; names; NAME=VALUE that will be set
#   COMMANDS, UNITS, DATA       programs that will be called; units and directories that the release will have
#   NETWORKS                    KEY=CIDR ...: networks of the cluster, and their keys on the page
#   FORWARDED                   CIDR of pods, if no program of the cluster changes the policy for forwarded packets
#   PORTS                       PORT:UNIT or PORT/udp:UNIT: ports, and the units that will listen on them
#   PEERS, SERVERS              HOST:PORT of other nodes, which may refuse connections, and of mirrors, which may not
#   PROXIES                     HOST:PORT of proxies, through which the host fetches what is not on a mirror
#   RESOLVER                    `host` if names outside of the cluster are resolved by the host's name servers
#   VIRTUAL                     ADDRESS:PORT of the virtual address, on hosts that may hold it
# shellcheck shell=sh disable=SC2153,SC2154 # lines before this script set the variables
set -u
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
ours=/opt/kubernetes/current

fact() { echo "fact $*"; }
finding() { echo "finding $*"; }

system() {
    [ "$(id -u)" = 0 ] || finding "commands run as $(id -un), which is not root"
    fact os "$(sed -n 's/^PRETTY_NAME=//p' /etc/os-release | tr -d '"')"
    [ -d /run/systemd/system ] || finding 'systemd is not running'
    case $(uname -m) in x86_64) is=amd64 ;; aarch64) is=arm64 ;; *) is='' ;; esac
    if [ -z "$is" ]; then
        finding "the processor is $(uname -m); allowed: x86_64 (amd64), aarch64 (arm64)"
    elif [ "$is" != "${ARCHITECTURE:-amd64}" ]; then
        finding "the processor is $(uname -m) and the page says ${ARCHITECTURE:-amd64}; allowed: architecture: $is"
    fi
    oldest=$(printf '%s\n' "$KERNEL" "$(uname -r)" | sort -V | head -n 1)
    [ "$oldest" = "$KERNEL" ] || finding "the kernel is $(uname -r); allowed: $KERNEL or newer"
    if systemd-detect-virt --container --quiet; then is=true; else is=false; fi
    [ "$is" = "$CONTAINERS" ] || finding "hardway:machines.containers is $CONTAINERS; allowed for this host: $is"
    awk '$5 == "/" {print}' /proc/self/mountinfo | grep -q ' shared:' ||
        finding 'the root file system is no shared mount, which the kubelet needs; run: mount --make-rshared /'
    lacking=''
    if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
        for name in cpu memory pids; do grep -qw "$name" /sys/fs/cgroup/cgroup.controllers || lacking="$lacking $name"; done
    else
        for name in cpu memory pids; do grep -Eq "^$name.*1\$" /proc/cgroups || lacking="$lacking $name"; done
    fi
    [ -z "$lacking" ] || finding "the kernel lacks the cgroup controllers:$lacking"
}

size() {
    [ "$(nproc)" -ge "$CORES" ] || finding "the host has $(nproc) cores; allowed: at least $CORES"
    memory=$(($(sed -n 's/^MemTotal: *\([0-9]*\).*/\1/p' /proc/meminfo) / 1024))
    [ "$memory" -ge "$MEMORY" ] || finding "the host has $memory MiB of memory; allowed: at least $MEMORY"
    for disk in $DISKS; do
        path=${disk%:*} least=${disk##*:}
        while [ ! -d "$path" ]; do path=$(dirname "$path"); done
        free=$(df -Pm "$path" | awk 'NR == 2 {print $4}')
        [ "$free" -ge "$least" ] || finding "${disk%:*} has $free MiB free; allowed: at least $least"
    done
}

kernel() {
    swaps=$(awk 'NR > 1 {printf " %s", $1}' /proc/swaps)
    [ -z "$swaps" ] || [ "$SWAP" = disable ] || [ "$CONTAINERS" = true ] ||
        finding "swap is on:$swaps; turn it off, or set hardway:machines.swap to disable"
    for setting in $SYSCTLS; do
        name=${setting%%=*} path=/proc/sys/$(echo "${setting%%=*}" | tr . /)
        if [ ! -e "$path" ]; then
            # Settings of bridges exist as soon as their module is loaded.
            case $name:$MODULES in net.bridge.*:*br_netfilter*) continue ;; esac
            finding "the kernel lacks the setting $name"
        elif [ "$(cat "$path")" != "${setting#*=}" ] && [ ! -w "$path" ]; then
            finding "the setting $name is $(cat "$path") and cannot be changed; allowed: ${setting#*=}"
        fi
    done
    known=/lib/modules/$(uname -r)
    for module in $MODULES; do
        grep -qw "$module" /proc/filesystems && continue
        [ -d "/sys/module/$module" ] && continue
        grep -qs "/$module\.ko" "$known/modules.dep" "$known/modules.builtin" ||
            finding "the kernel lacks the module $module"
    done
}

programs() {
    missing=''
    for command in $COMMANDS; do command -v "$command" >/dev/null || missing="$missing $command"; done
    [ -z "$missing" ] && return
    if [ "$PACKAGES" != install ]; then
        finding "missing programs:$missing; install them, or set hardway:machines.packages to install"
    elif ! command -v apt-get >/dev/null; then
        finding "missing programs:$missing; install them, because the host has no apt-get"
    fi
}

names() {
    # Programs in Go, such as the API server, ask a name server for localhost if the file has no line for it.
    sed 's/#.*//' /etc/hosts 2>/dev/null |
        awk '$1 ~ /^127\./ { for (i = 2; i <= NF; i++) if ($i == "localhost") is = 1 } END { exit !is }' ||
        finding '/etc/hosts has no address for localhost; add the line: 127.0.0.1 localhost'
    [ "${RESOLVER:-}" = host ] || return 0
    said=''
    for file in /run/systemd/resolve/resolv.conf /etc/resolv.conf; do
        said=$(awk '$1 == "nameserver" { printf " %s", $2 }' "$file" 2>/dev/null)
        for server in $said; do case $server in 127.* | ::1) ;; *) return 0 ;; esac; done
    done
    if [ -n "$said" ]; then
        finding "/etc/resolv.conf names only$said, which pods do not reach; name a server that they reach, or set" \
            "hardway:dns.upstreams"
    else
        finding '/etc/resolv.conf names no server; name one, or set hardway:dns.upstreams'
    fi
}

listener() { # prints the inode of the socket that listens on port $1 (PORT or PORT/udp), if any
    case $1 in
    */udp) files='/proc/net/udp /proc/net/udp6' state=07 ;;
    *) files='/proc/net/tcp /proc/net/tcp6' state=0A ;;
    esac
    # shellcheck disable=SC2086 # two file names
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
        [ -z "$path" ] || finding "the unit $unit exists and does not belong to this cluster: $path"
    done
    for path in $DATA; do
        [ -z "$(ls -A "$path" 2>/dev/null)" ] || finding "$path contains data of something else; move the data away"
    done
}

# Parts of the cluster's networks that this host reaches in another way, such as by a bridge of a container engine. A
# route to a larger network gives way to the routes of pods.
routes() {
    [ ! -e "$ours" ] || return 0
    for pair in ${NETWORKS:-}; do
        key=${pair%%=*} network=${pair#*=}
        ip -4 route show root "$network" 2>/dev/null | while read -r used _; do
            finding "the host has a route to $used, which is in $network of $key; remove the route, or choose another" \
                "network on the page"
        done
    done
}

# With nftables, each table of the host has to accept a packet: tables of the cluster cannot accept what a firewall drops.
# A firewall that names the network of pods has rules for pods.
forwarding() {
    [ -n "${FORWARDED:-}" ] && [ ! -e "$ours" ] || return 0
    rules=$({ nft list ruleset; iptables-save; } 2>/dev/null)
    case $rules in *"$FORWARDED"*) return 0 ;; esac
    printf '%s\n' "$rules" | grep -Eq 'hook forward .*policy drop|^:FORWARD DROP' || return 0
    finding "the firewall of the host drops forwarded packets, so pods would reach no other node; accept packets from" \
        "and to $FORWARDED (network.podCidr), or set the policy of the chain to accept"
}

has_address() { grep -A1 -e "-- $1\$" /proc/net/fib_trie | grep -q 'host LOCAL'; }

reach() { # connects to $1, HOST:PORT; prints `open`, `refused`, or the problem
    said=$(LC_ALL=C timeout 4 bash -c "exec 3<>/dev/tcp/${1%:*}/${1##*:}" 2>&1)
    code=$?
    case $code:$said in
    0:*) echo open ;;
    *refused*) echo refused ;;
    *'Name or service not known'* | *'resolution'*) echo 'the name cannot be resolved' ;;
    124:*) echo 'no answer within 4 s; is there a firewall?' ;;
    *) echo "${said##*: }" ;;
    esac
}

must_reach() { # WHAT HOST:PORT
    found=$(reach "$2")
    [ "$found" = open ] || finding "cannot reach $1 $2: $found"
}

network() {
    has_address "$ADDRESS" || finding "$ADDRESS is not an address of this host"
    for peer in $PEERS; do
        # If a node refuses the connection, then it was reached. If a firewall drops packets, then there is no answer.
        (
            found=$(reach "$peer")
            case $found in open | refused) ;; *) finding "cannot reach $peer: $found" ;; esac
        ) &
    done
    for server in $SERVERS; do must_reach 'the mirror' "$server" & done
    for server in $PROXIES; do must_reach 'the proxy' "$server" & done
    [ -z "$VIRTUAL" ] || virtual_address &
    wait
}

virtual_address() {
    if has_address "${VIRTUAL%:*}"; then
        fact virtual-address "held ${VIRTUAL%:*}"
        [ -e "$ours" ] || finding "the host has the virtual address ${VIRTUAL%:*} already"
    else
        case $(reach "$VIRTUAL") in open | refused) fact virtual-address "taken ${VIRTUAL%:*}" ;; esac
    fi
}

fact clock-first "$(date +%s)"
fact hostname "$(uname -n)"
fact machine-id "$(cat /etc/machine-id 2>/dev/null)"
if [ -e "$ours/cfg/cluster-id" ]; then
    fact cluster-id "$(cat "$ours/cfg/cluster-id")"
    fact node "$(cat "$ours/cfg/node")"
fi
system
size
kernel
names
programs
ports
left_overs
routes
forwarding
network
fact clock "$(date +%s)"
echo end
