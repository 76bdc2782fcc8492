#!/bin/sh
# Removes from this machine what releases have installed, and nothing else. POSIX sh, idempotent, run as root.
#
#   remove.sh [--data] [--node NAME]
#       --data: also the directories in which etcd, kubelet and containerd keep their data
#       --node: only if this machine is the node NAME; a machine that has become another node is left alone
#
# Packages stay. Settings of the running kernel stay until the next boot.
set -eu
sysroot=${HARDWAY_SYSROOT:-} # before every path of the machine; unit tests set it
root=${HARDWAY_ROOT:-$sysroot/opt/kubernetes}
system=$sysroot/etc/systemd/system
data='' node=''
while [ $# -gt 0 ]; do
    case $1 in
    --data) data=--data ;;
    --node) node=$2 && shift ;;
    *) echo "usage: remove.sh [--data] [--node NAME]" >&2 && exit 2 ;;
    esac
    shift
done

say() { echo "$(hostname): $*"; }
quietly() { "$@" >/dev/null 2>&1 || true; }
table() { cat "$root"/releases/*/tables/"$1" 2>/dev/null | cut -d' ' -f"$2" | sort -u; }
# What programs leave on a machine, of one kind: interface, nftables, chain, routes, directory, empty-directory.
remnants() { cat "$root"/releases/*/tables/network 2>/dev/null | sed -n "s/^$1 //p" | sort -u; }

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
        # An API server would wait for requests that an etcd without a majority never answers.
        timeout 20 systemctl stop $units >/dev/null 2>&1 || quietly systemctl kill --signal=KILL $units
        quietly systemctl stop $units
    fi
    for unit in $units; do rm -f "$system/$unit"; done
    systemctl daemon-reload
    # shellcheck disable=SC2086
    [ -z "$units" ] || quietly systemctl reset-failed $units
}

# Kills processes that could not be stopped in order: our programs, and those of pods. Containers outlive containerd.
kill_left_overs() {
    for process in "$sysroot"/proc/[0-9]*; do
        case $(readlink "$process/exe" || true) in
        "$root"/*) quietly kill -9 "${process##*/}" ;;
        esac
    done
    find "$sysroot/sys/fs/cgroup" -path '*kubepods*' -name cgroup.procs -exec cat {} + 2>/dev/null | sort -u |
        while read -r pid; do quietly kill -9 "$pid"; done
    # If systemd manages the cgroups of pods, then they are units, which stay loaded after their last process.
    quietly systemctl stop kubepods.slice 'kubepods-*.slice'
    quietly find "$sysroot/sys/fs/cgroup" -depth -type d -path '*kubepods*' -exec rmdir {} +
}

unmount() {
    cut -d' ' -f2 "$sysroot/proc/mounts" |
        grep -E '^/var/lib/(kubelet|containerd)/|^/run/containerd/|^/(var/)?run/netns/cni-' | sort -r |
        while read -r path; do umount "$path" 2>/dev/null || quietly umount --lazy "$path"; done
    rm -f "$sysroot"/run/netns/cni-*
    quietly rmdir "$sysroot/run/netns"
}

remove_network() {
    remnants routes | while read -r network; do
        ip route show root "$network" | while read -r route; do
            # shellcheck disable=SC2086 # a route is several words
            quietly ip route del $route
        done
    done
    { remnants interface && echo kube-ipvs0; } | while read -r pattern; do
        # shellcheck disable=SC2231 # the pattern stands for several names
        for path in "$sysroot"/sys/class/net/$pattern; do
            [ ! -e "$path" ] || quietly ip link del "${path##*/}"
        done
    done
    for family in ip ip6; do
        for name in kube-proxy $(remnants nftables); do quietly nft delete table "$family" "$name"; done
    done
    chains="KUBE-|CNI-$(remnants chain | sed 's/^/|/' | tr -d '\n')"
    rules_file=$sysroot/run/hardway-rules
    for tool in iptables ip6tables; do
        "$tool-save" --counters 2>/dev/null | grep -Ev "$chains" >"$rules_file" || true
        [ ! -s "$rules_file" ] || quietly "$tool-restore" --counters "$rules_file"
        rm -f "$rules_file"
    done
    # Rules refer to sets, so the rules go first.
    ipset list -name 2>/dev/null | grep '^KUBE-' | while read -r name; do quietly ipset destroy "$name"; done
    # iptables leaves empty tables after the last rule is removed.
    for family in ip ip6; do
        for name in filter nat mangle raw security; do
            is_empty_table "$family" "$name" && quietly nft delete table "$family" "$name"
        done
    done
    return 0
}

# Whether an nftables table exists and has nothing but base chains with the policy accept.
is_empty_table() {
    rules=$(nft list table "$1" "$2" 2>/dev/null) || return 1
    ! echo "$rules" | grep -Evq '^(table .*|[[:space:]]*chain .*|[[:space:]]*type .* policy accept;|[[:space:]]*}|#.*|)$'
}

remove_files() {
    kept=''
    # The kubelet's own certificates are no data: with them, the host could go on as the node that it was.
    rm -rf "$sysroot/var/lib/kubelet/pki"
    for path in $(table directories 1); do
        path=$sysroot$path
        case $path in
        "$root"/*) continue ;;
        "$sysroot"/etc/*) ;;
        *) [ "$data" != --data ] || empty "$path" ;;
        esac
        # A directory with files of others stays.
        rmdir "$path" 2>/dev/null || [ ! -e "$path" ] || kept="$kept $path"
    done
    # containerd creates the folders in /opt/containerd for add-ons.
    quietly rmdir "$sysroot/etc/cni" "$sysroot/opt/containerd/bin" "$sysroot/opt/containerd/lib" "$sysroot/opt/containerd"
    if [ -e "$root/users" ]; then
        while read -r user; do owns_any "$user" || quietly userdel "$user"; done <"$root/users"
    fi
    run=$sysroot/run
    rm -f "$sysroot/etc/profile.d/kubernetes.sh" "$run/hardway-used" "$run/nri/nri.sock" "$run/kubernetes-api-proxy.sock"
    quietly rmdir "$run/nri"
    rm -rf "$run/hardway" "$run/containerd"
    for path in $(remnants directory); do rm -rf "$sysroot${path:?}"; done
    for path in $(remnants empty-directory); do quietly rmdir "$sysroot$path"; done
    rm -rf "$sysroot/var/log/pods" "$sysroot/var/log/containers" "$sysroot/var/lib/cni"
}

# Removes this script and the link to it last, so that a removal that was killed can be run again.
remove_root() {
    [ -d "$root" ] || return 0
    find "$root" -xdev -mindepth 1 ! -type d ! -path "$root/current" ! -path "$root/releases/*/remove.sh" -delete
    empty "$root"
    rmdir "$root"
}

# Deletes everything in a directory. The directory itself may be a mount point.
empty() { [ ! -d "$1" ] || find "$1" -xdev -mindepth 1 -delete; }

owns_any() {
    for path in $kept; do
        [ "$(stat -c %U "$path")" != "$1" ] || return 0
    done
    return 1
}

is=$(cut -d' ' -f1 "$root/current/cfg/node" 2>/dev/null || true)
if [ -n "$node" ] && [ -n "$is" ] && [ "$is" != "$node" ]; then
    say "this machine is the node $is, not $node: nothing is removed"
    exit 0
fi
lock=$sysroot/run/hardway.lock
exec 9>"$lock"
flock -w 300 9 || { say "another run holds $lock" >&2; exit 1; }
stop_pods
remove_units
kill_left_overs
unmount
remove_network
remove_files
remove_root
rm -f "$lock"
say "everything that hardway installed is removed${kept:+; data stays in$kept}"
