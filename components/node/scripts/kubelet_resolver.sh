#!/bin/sh
# Chooses the file that names the servers which pods ask for names outside of the cluster, before each start of the
# kubelet. POSIX sh, run as root. The kubelet reads the chosen file for each pod, and starts no pod without a file.
#
# systemd-resolved lists its servers in a file of its own; /etc/resolv.conf may then have an address of this machine, at
# which no pod is heard. Whether systemd-resolved runs may change at any boot.
set -eu
sysroot=${HARDWAY_SYSROOT:-} # before every path of the machine; unit tests set it
chosen=$sysroot/run/hardway/resolv.conf

# Whether the file names a server that is not this machine.
is_useful() {
    awk '$1 == "nameserver" && $2 !~ /^127\./ && $2 != "::1" { is = 1 } END { exit !is }' "$1" 2>/dev/null
}

mkdir -p "${chosen%/*}"
for file in "$sysroot/run/systemd/resolve/resolv.conf" "$sysroot/etc/resolv.conf"; do
    if is_useful "$file"; then
        ln -sfn "$file" "$chosen"
        exit
    fi
done
# Pods in the network of this machine reach its own addresses.
if [ -e "$sysroot/etc/resolv.conf" ]; then
    ln -sfn "$sysroot/etc/resolv.conf" "$chosen"
else
    rm -f "$chosen"
    : >"$chosen"
fi
