#!/bin/sh
# Takes off this machine what releases have brought onto it, and nothing else. POSIX sh, idempotent, run as root.
#
#   remove.sh [--data]   --data: also the directories in which etcd, kubelet and containerd keep their data
#
# Packages stay, and so do settings of the running kernel until it is booted again.
set -eu
root=/opt/kubernetes
system=/etc/systemd/system
data=${1:-}

say() { echo "$(hostname): $*"; }
quietly() { "$@" >/dev/null 2>&1 || true; }
table() { cat "$root"/releases/*/tables/"$1" 2>/dev/null | cut -d' ' -f"$2" | sort -u; }

stop_pods() {
    quietly systemctl stop kubelet.service
    if systemctl --quiet is-active containerd.service; then
        CRI_CONFIG_FILE=$root/cfg/crictl.yaml quietly timeout 120 "$root/bin/crictl" rmp --force --all
    fi
    quietly systemctl stop kube-proxy.service
    [ ! -x "$root/bin/kube-proxy" ] || quietly timeout 60 "$root/bin/kube-proxy" --cleanup
}

remove_units() {
    units=$(table units 1)
    # shellcheck disable=SC2086 # unit names have no white space
    if [ -n "$units" ]; then
        quietly systemctl --quiet disable $units
        # An API server would wait for what an etcd without a majority never answers.
        timeout 20 systemctl stop $units >/dev/null 2>&1 || quietly systemctl kill --signal=KILL $units
        quietly systemctl stop $units
    fi
    for unit in $units; do rm -f "$system/$unit"; done
    systemctl daemon-reload
    # shellcheck disable=SC2086
    [ -z "$units" ] || quietly systemctl reset-failed $units
}

# Containers outlive containerd, so what could not be stopped in order still runs: our programs, and pods' cgroups.
kill_left_overs() {
    for process in /proc/[0-9]*; do
        case $(readlink "$process/exe" || true) in
        "$root"/*) quietly kill -9 "${process#/proc/}" ;;
        esac
    done
    find /sys/fs/cgroup -path '*kubepods*' -name cgroup.procs -exec cat {} + 2>/dev/null | sort -u |
        while read -r pid; do quietly kill -9 "$pid"; done
    quietly find /sys/fs/cgroup -depth -type d -path '*kubepods*' -exec rmdir {} +
}

unmount() {
    cut -d' ' -f2 /proc/mounts |
        grep -E '^/var/lib/(kubelet|containerd)/|^/run/containerd/|^/(var/)?run/netns/cni-' | sort -r |
        while read -r path; do umount "$path" 2>/dev/null || quietly umount --lazy "$path"; done
    rm -f /run/netns/cni-*
    quietly rmdir /run/netns
}

remove_network() {
    # Routes of the backend host-gw are no interface's own.
    pods=$(sed -n 's/^FLANNEL_NETWORK=//p' /run/flannel/subnet.env 2>/dev/null || true)
    [ -z "$pods" ] || ip route show root "$pods" | while read -r route; do
        # shellcheck disable=SC2086 # a route is several words
        quietly ip route del $route
    done
    for path in /sys/class/net/cni0 /sys/class/net/flannel.* /sys/class/net/kube-ipvs0; do
        [ ! -e "$path" ] || quietly ip link del "${path##*/}"
    done
    for family in ip ip6; do
        for name in kube-proxy flannel-ipv4 flannel-ipv6; do quietly nft delete table "$family" "$name"; done
    done
    for tool in iptables ip6tables; do
        "$tool-save" --counters 2>/dev/null | grep -Ev 'KUBE-|CNI-|FLANNEL-' >/run/hardway-rules || true
        [ ! -s /run/hardway-rules ] || quietly "$tool-restore" --counters /run/hardway-rules
        rm -f /run/hardway-rules
    done
    # iptables leaves its tables behind when the last rule is gone.
    for family in ip ip6; do
        for name in filter nat mangle raw security; do
            is_empty_table "$family" "$name" && quietly nft delete table "$family" "$name"
        done
    done
    return 0
}

# Whether an nftables table is there and has base chains at most, none of which refuses anything.
is_empty_table() {
    rules=$(nft list table "$1" "$2" 2>/dev/null) || return 1
    ! echo "$rules" | grep -Evq '^(table .*|[[:space:]]*chain .*|[[:space:]]*type .* policy accept;|[[:space:]]*}|#.*|)$'
}

remove_files() {
    kept=''
    for path in $(table directories 1); do
        case $path in
        "$root"/*) continue ;;
        /etc/*) ;;
        *) [ "$data" != --data ] || empty "$path" ;;
        esac
        # What others have put into it stays.
        rmdir "$path" 2>/dev/null || [ ! -e "$path" ] || kept="$kept $path"
    done
    # containerd makes the latter for add-ons, which nobody has put there.
    quietly rmdir /etc/cni /opt/containerd/bin /opt/containerd/lib /opt/containerd
    if [ -e "$root/users" ]; then
        while read -r user; do owns_any "$user" || quietly userdel "$user"; done <"$root/users"
    fi
    empty "$root"
    rmdir "$root"
    rm -f /etc/profile.d/kubernetes.sh /run/hardway-used
    rm -f /run/nri/nri.sock /run/kubernetes-api-proxy.sock
    quietly rmdir /run/nri
    rm -rf /run/hardway /run/flannel /run/containerd /var/log/pods /var/log/containers /var/lib/cni
}

# Everything in a directory, which itself may be a mount of its own.
empty() { [ ! -d "$1" ] || find "$1" -xdev -mindepth 1 -delete; }

owns_any() {
    for path in $kept; do
        [ "$(stat -c %U "$path")" != "$1" ] || return 0
    done
    return 1
}

exec 9>/run/hardway.lock
flock -w 300 9 || { say 'another run holds /run/hardway.lock' >&2; exit 1; }
stop_pods
remove_units
kill_left_overs
unmount
remove_network
remove_files
rm -f /run/hardway.lock
say "everything of hardway is removed${kept:+; data stays in$kept}"
