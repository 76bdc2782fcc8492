#!/bin/sh
# Closes the time between the start of a node, or of its first pod, and the first rules of kube-network-policies.
# The rules of that program outlive it, so a restart of it opens nothing: new connections wait in vain meanwhile.
#
#   begin TABLE FILE   loads FILE, which refuses all connections of pods, unless pods run already or TABLE exists
#   end TABLE QUEUE    deletes TABLE; if a program still reads QUEUE, then as soon as none has read it for 30 s
#   wait TABLE QUEUE   does what `end` has put off
set -eu
sysroot=${HARDWAY_SYSROOT:-}
put_off=network-policies-end
quiet_seconds=30

say() { echo "network policies: $*"; }
pods_run() { find "$sysroot/run/netns" -name 'cni-*' 2>/dev/null | grep -q .; }
# The first column is the number of the queue. The file names queues that a program has opened.
is_read() { grep -Eq "^ *$1 " "$sysroot/proc/net/netfilter/nfnetlink_queue" 2>/dev/null; }
delete() { ! nft list table inet "$1" >/dev/null 2>&1 || nft delete table inet "$1"; }

begin() {
    systemctl stop "$put_off.service" 2>/dev/null || true
    if nft list table inet "$1" >/dev/null 2>&1; then
        say "the table $1 exists"
    elif pods_run; then
        # Their connections would break until the program runs here for the first time.
        say 'pods run already, so nothing is refused before the first rules'
    else
        nft -f "$2"
        say "pods cannot connect until kube-network-policies replaces the table $1"
    fi
}

end() {
    # The rules of a machine that stops end with its kernel, or with its network namespace.
    [ "$(systemctl is-system-running 2>/dev/null || true)" != stopping ] || return 0
    if is_read "$2"; then
        # The release with this script may be gone by then.
        cp "$0" "$sysroot/run/$put_off.sh"
        systemd-run --quiet --collect --unit="$put_off" /bin/sh "$sysroot/run/$put_off.sh" wait "$1" "$2"
        say "the table $1 goes as soon as kube-network-policies has ended"
    else
        delete "$1"
    fi
}

wait_for_end() {
    quiet=0
    while [ "$quiet" -lt "$quiet_seconds" ]; do
        sleep 1
        if is_read "$2"; then quiet=0; else quiet=$((quiet + 1)); fi
    done
    delete "$1"
    say "deleted the table $1"
    rm -f "$sysroot/run/$put_off.sh"
}

action=$1
shift
case $action in
begin) begin "$@" ;;
end) end "$@" ;;
wait) wait_for_end "$@" ;;
*) echo 'usage: network_policies.sh begin TABLE FILE | end TABLE QUEUE | wait TABLE QUEUE' >&2 && exit 2 ;;
esac
