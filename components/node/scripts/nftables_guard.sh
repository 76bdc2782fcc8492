#!/bin/sh
# Brings back tables of nftables that something else has taken along, as `nft flush ruleset` does if a firewall of the host
# is loaded again. Otherwise no service answers on this machine, and no network policy is enforced, until a service or a
# policy changes.
#
#   nftables-guard.sh [TABLE FILE]   TABLE: of kube-network-policies, in the family inet; FILE: rules that refuse all
#                                    connections of pods
#
# kube-proxy is guarded if its mode is nftables. In other modes, kube-proxy looks after its rules itself, as flannel does.
set -u
umask 077
sysroot=${HARDWAY_SYSROOT:-}
root=${HARDWAY_ROOT:-$sysroot/opt/kubernetes}
policies=${1:-} refusing=${2:-}
# systemd removes the folder when the service ends: the next start has to see a table before it brings the table back.
kept=$sysroot/run/nftables-guard/rules
seen='' # whether kube-proxy has had its table

exists() { nft list tables "$1" 2>/dev/null | grep -Fqx "table $1 $2"; }

# kube-network-policies replaces its whole table in one transaction, and reads its queue also while the table is gone. So
# a copy of the last table is as good as the table.
guard_policies() {
    if exists inet "$policies"; then
        if nft list table inet "$policies" >"$kept.new"; then mv "$kept.new" "$kept"; fi
    elif [ -e "$kept" ] && systemctl is-active --quiet network-policies.service; then
        if nft -f "$kept"; then
            echo "the table $policies was gone: its rules are back"
            return
        fi
        nft -f "$refusing"
        echo "the table $policies was gone, and nft does not accept its copy: pods cannot connect until the program is back"
        export CRI_CONFIG_FILE="$root/cfg/crictl.yaml"
        "$root/bin/crictl" ps --quiet --name "^$policies\$" | xargs -r "$root/bin/crictl" stop --timeout 0
    fi
}

# Nobody else knows the rules of kube-proxy, which change with each service. kube-proxy writes them when it starts.
guard_proxy() {
    if exists ip kube-proxy; then
        seen=yes
    elif [ -n "$seen" ] && grep -qs '"mode": "nftables"' "$root/cfg/kube-proxy.json" &&
        systemctl is-active --quiet kube-proxy.service; then
        echo 'the table kube-proxy was gone: restarts kube-proxy'
        seen=''
        systemctl restart --no-block kube-proxy.service
    fi
}

mkdir -p "${kept%/*}"
# A line for each table that comes or goes. The line `begin` comes when nft listens already.
{
    (sleep 1 && echo begin) &
    exec nft monitor tables
} | while read -r _; do
    [ -z "$policies" ] || guard_policies
    guard_proxy
done
