#!/bin/sh
# Brings back tables of nftables that something else has taken along, as `nft flush ruleset` does if a firewall of the host
# is loaded again. Otherwise no service answers on this machine, no network policy is enforced, and pods reach nothing outside
# of the cluster, until a service, a policy, or the network plugin changes.
#
#   nftables-guard.sh TABLE QUEUE FILE [FAMILY:TABLE ...]
#
# TABLE is that of kube-network-policies, in the family inet, QUEUE is the queue that the program reads, and FILE has rules that
# refuse all connections of pods; all three are `-` if network policies are not enforced. The other tables are those of the
# network plugin. These and kube-proxy's are guarded if the mode of kube-proxy is nftables: in other modes, the programs look
# after their rules themselves.
set -u
umask 077
sysroot=${HARDWAY_SYSROOT:-}
root=${HARDWAY_ROOT:-$sysroot/opt/kubernetes}
policies=$1 queue=$2 refusing=$3
shift 3
# A copy of each table, and `kube-proxy` if that table has been there. systemd keeps the folder if the service restarts.
known=$sysroot/run/nftables-guard
every=10 # seconds between two looks without an event
settle=2 # seconds after an event: a program may fill a table that it has made before, and chains are no events

exists() { echo "$found" | grep -Fqx "table $1 $2"; } # at the time of the look
pods_run() { find "$sysroot/run/netns" -name 'cni-*' 2>/dev/null | grep -q .; }

# Whether a table that is gone has to come back. 0: yes; 1: no, a change of the page took the table away; 2: nobody knows;
# 3: not as it was.
are_enforced() {
    case $(systemctl is-active network-policies.service 2>/dev/null) in
    # The program takes its rules away if it cannot read its queue.
    active) grep -Eqs "^ *$queue " "$sysroot/proc/net/netfilter/nfnetlink_queue" || return 3 ;;
    inactive) return 1 ;;
    *) return 2 ;;
    esac
}
are_used() { grep -qs '"mode": "nftables"' "$root/cfg/kube-proxy.json"; }

# Copies a table, or brings its copy back. Fails if the table is gone, and a copy cannot take its place.
guard() { # FAMILY TABLE CONDITION
    copy=$known/$1-$2
    if exists "$1" "$2"; then
        # The file system may be full, and a table without a chain has just been made.
        if nft list table "$1" "$2" >"$copy.new" && grep -q 'chain ' "$copy.new" && tail -n 1 "$copy.new" | grep -qx '}'; then
            mv -f "$copy.new" "$copy"
        fi
        return 0
    fi
    [ -e "$copy" ] || return 0
    wanted=0
    "$3" || wanted=$?
    case $wanted in
    0) ;;
    1) rm -f "$copy" && return 0 ;;
    2) return 0 ;;
    *) return 1 ;;
    esac
    nft -f "$copy" && nft list table "$1" "$2" >/dev/null || return 1
    echo "the table $2 was gone: its rules are back"
}

# A kernel without nft_queue accepts rules of the program and no copy of them.
refuse_pods() {
    nft -f "$refusing"
    echo "the table $policies was gone, and its rules cannot come back: pods cannot connect until the program has written them"
    export CRI_CONFIG_FILE="$root/cfg/crictl.yaml"
    "$root/bin/crictl" ps --quiet --name "^$policies\$" | xargs -r "$root/bin/crictl" stop --timeout 0
}

# The rules of kube-proxy change with each service, so a copy would be old. kube-proxy writes all of them when it starts.
guard_proxy() {
    if exists ip kube-proxy; then
        : >"$known/kube-proxy"
    elif [ -e "$known/kube-proxy" ]; then
        wanted=0
        are_used || wanted=$?
        case $wanted in
        0) systemctl try-restart --no-block kube-proxy.service || return 0 ;;
        1) ;;
        *) return 0 ;;
        esac
        rm -f "$known/kube-proxy"
        [ "$wanted" = 1 ] || echo 'the table kube-proxy was gone: restarts kube-proxy'
    fi
}

# A line for each look. kube-network-policies replaces its whole table with each change, which is an event.
looks() {
    while echo look; do sleep "$every" >/dev/null; done &
    ticker=$!
    nft monitor tables | while read -r _; do
        echo look
        { sleep "$settle" && echo look; } &
    done
    echo look
    kill "$ticker"
}

mkdir -p "$known"
if [ "$policies" = - ]; then
    rm -f "$known"/inet-*
elif ! nft list table inet "$policies" >/dev/null 2>&1 && [ ! -e "$known/inet-$policies" ] && ! pods_run; then
    # Something has flushed the rules with which a node begins.
    nft -f "$refusing"
fi
looks | while read -r _; do
    found=$(nft list tables) || continue
    [ "$policies" = - ] || guard inet "$policies" are_enforced || refuse_pods
    for table in "$@"; do guard "${table%:*}" "${table#*:}" are_used || echo "nft does not accept the copy of $table"; done
    guard_proxy
done
