#!/bin/sh
# Brings back tables of nftables that something else has taken along, as `nft flush ruleset` does if a firewall of the host
# is loaded again. Otherwise no service answers on this machine, no network policy is enforced, and pods reach nothing outside
# of the cluster, until a service, a policy, or the network plugin changes.
#
#   nftables-guard.sh TABLE FILE [FAMILY:TABLE ...]
#
# TABLE is that of kube-network-policies, in the family inet, and FILE has rules that refuse all connections of pods; both are
# `-` if network policies are not enforced. The other tables are those of the network plugin. These and kube-proxy's are guarded
# if the mode of kube-proxy is nftables: in other modes, the programs look after their rules themselves.
set -u
umask 077
sysroot=${HARDWAY_SYSROOT:-}
root=${HARDWAY_ROOT:-$sysroot/opt/kubernetes}
policies=$1 refusing=$2
shift 2
# systemd removes the folder when the service ends: the next start has to see a table before it brings the table back.
copies=$sysroot/run/nftables-guard
seen='' # whether kube-proxy has had its table
every=30 # seconds between two looks without an event: a program may fill a table that it has made before

exists() { echo "$found" | grep -Fqx "table $1 $2"; } # at the time of the look

# What these say no to has been taken away on purpose, by a change of the page.
are_enforced() { systemctl is-active --quiet network-policies.service; }
are_used() { grep -qs '"mode": "nftables"' "$root/cfg/kube-proxy.json"; }

# Copies a table, or brings its copy back if CONDITION holds. Fails if nft does not accept the copy.
guard() { # FAMILY TABLE CONDITION
    copy=$copies/$1-$2
    if exists "$1" "$2"; then
        if nft list table "$1" "$2" >"$copy.new"; then mv "$copy.new" "$copy"; fi
    elif [ -e "$copy" ] && "$3"; then
        nft -f "$copy" || return 1
        echo "the table $2 was gone: its rules are back"
    fi
}

# A kernel without nft_queue accepts rules of the program and no copy of them.
refuse_pods() {
    nft -f "$refusing"
    echo "the table $policies was gone, and nft does not accept its copy: pods cannot connect until the program is back"
    export CRI_CONFIG_FILE="$root/cfg/crictl.yaml"
    "$root/bin/crictl" ps --quiet --name "^$policies\$" | xargs -r "$root/bin/crictl" stop --timeout 0
}

# The rules of kube-proxy change with each service, so a copy would be old. kube-proxy writes all of them when it starts.
guard_proxy() {
    if exists ip kube-proxy; then
        seen=yes
    elif [ -n "$seen" ] && are_used && systemctl is-active --quiet kube-proxy.service; then
        echo 'the table kube-proxy was gone: restarts kube-proxy'
        seen=''
        systemctl restart --no-block kube-proxy.service
    fi
}

mkdir -p "$copies"
{
    # A line for each table that comes or goes. kube-network-policies replaces its whole table with each change, and reads its
    # queue also while the table is gone.
    nft monitor tables &
    sleep 1
    while kill -0 $! 2>/dev/null; do
        echo look
        sleep "$every"
    done
} | while read -r _; do
    found=$(nft list tables) || continue
    [ "$policies" = - ] || guard inet "$policies" are_enforced || refuse_pods
    for table in "$@"; do guard "${table%:*}" "${table#*:}" are_used || echo "nft does not accept the copy of $table"; done
    guard_proxy
done
