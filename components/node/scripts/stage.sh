# Stages a release on this machine: fetches and keeps everything that the release needs, and changes nothing that runs.
# On a machine without any release it starts all units. Functions for apply.sh, which defines say, fail, root, and the
# functions that both scripts use.
# shellcheck disable=SC2034,SC2154

stage() {
    digest=$1 new=$2 packages=${3:-refuse}
    mkdir -p "$root/releases" "$root/store" "$root/log"
    # Left-overs of killed runs.
    find "$root/releases" -maxdepth 1 -name '.new-*' -mmin +60 -exec rm -rf {} +
    trap 'rm -rf "$new" "$root"/store/.new-*' EXIT
    for script in versions generations tokens still_needed download clock; do
        # shellcheck source=/dev/null
        . "$new/$script.sh"
    done
    [ ! -e "$new/cfg/proxy" ] || proxy_file=$new/cfg/proxy
    [ ! -e "$new/cfg/mirror-ca.pem" ] || authorities_file=$new/cfg/mirror-ca.pem
    back=$(cat "$root/unproven" 2>/dev/null || true)
    refuse_other_node "$new"
    if [ -n "$(current)" ] && [ "$back" != "$digest" ]; then
        refuse_steps "$root/current" "$new"
        refuse_rotation "$root/current" "$new"
        refuse_needed "$root/current" "$new"
    fi
    wait_until_begun "$new"
    if [ ! -d "$root/releases/$digest" ]; then
        require_commands "$new" "$packages"
        create_users "$new"
        fetch_artifacts "$new"
        write_facts "$new"
        let_read "$new"
        chmod 0755 "$new"
        mv -T "$new" "$root/releases/$digest"
    else
        # The release is staged already; only its scripts, and tables that no digest covers, may have changed.
        install -m 0755 "$new"/*.sh "$root/releases/$digest/"
        cp "$new/tables/network" "$new/tables/certificates" "$root/releases/$digest/tables/"
    fi
    give_up_restore "$root/releases/$digest"
    start_first "$digest"
    # If the activation of another release was interrupted, even during its drain, then activate this release here.
    # Nothing else would: Pulumi's state never recorded the other release.
    if [ "$back" = "$digest" ] || { [ "$(current)" = "$digest" ] && [ -e "$root/cordoned" ]; }; then
        activate "$digest"
    fi
    say "release $digest is staged"
}

# Fails if this machine is another node of the cluster, or a node of another cluster.
refuse_other_node() { # RELEASE
    # An earlier version of the program made the current release, or there is none.
    [ -e "$root/current/cfg/cluster-id" ] || return 0
    read -r node cluster <"$root/current/cfg/node"
    read -r wanted _ <"$1/cfg/node"
    cmp -s "$root/current/cfg/cluster-id" "$1/cfg/cluster-id" ||
        fail "this machine is the node $node of another cluster, $cluster; remove the node there first. Nothing was changed"
    [ "$node" = "$wanted" ] ||
        fail "this machine is the node $node: take $node off the page and run \`up\`, then add $wanted. Nothing was changed"
}

# Starts what a restore has stopped (restore.sh begin), and removes the snapshot that was fetched for it, if the page does
# not have this restore any more. A later restore with the same number may want another snapshot.
give_up_restore() { # RELEASE
    wanted='' fetched=$sysroot/var/lib/hardway-backup
    [ ! -e "$1/cfg/restore" ] || read -r wanted _ <"$1/cfg/restore"
    [ ! -d "$fetched" ] || find "$fetched" -mindepth 1 -maxdepth 1 -name 'restore-*' ! -name "restore-$wanted" -exec rm -rf {} +
    [ -e "$root/restore-begun" ] || return 0
    read -r begun <"$root/restore-begun"
    [ "$begun" != "$wanted" ] || return 0
    rm "$root/restore-begun"
    # shellcheck disable=SC2046 # unit names have no white space
    [ ! -e "$root/current" ] || systemctl start --no-block $(started_units "$root/current")
}

require_commands() {
    missing=$(missing_commands "$1")
    if [ -n "$missing" ] && [ "${2:-refuse}" = install ]; then
        # shellcheck disable=SC2086 # names of programs have no white space
        install_packages $missing
        missing=$(missing_commands "$1")
    fi
    [ -z "$missing" ] || fail "these programs are missing on this machine:$missing"
}

missing_commands() { # " NAME NAME"; curl is needed by this script itself
    sort -u "$1/tables/commands" - <<-END | while read -r command; do
	curl
	END
        command -v "$command" >/dev/null || printf ' %s' "$command"
    done
}

install_packages() {
    wanted=''
    for command in "$@"; do
        case $command in
        ssh) wanted="$wanted openssh-client" ;;
        nft) wanted="$wanted nftables" ;;
        modprobe) wanted="$wanted kmod" ;;
        ip) wanted="$wanted iproute2" ;;
        curl) wanted="$wanted curl ca-certificates" ;;
        *) wanted="$wanted $command" ;;
        esac
    done
    command -v apt-get >/dev/null || fail "these programs are missing, and there is no apt-get:$missing"
    say "installs:$wanted"
    # Debian starts the units of packages that it installs; a release has units and configurations of its own.
    for service in haproxy keepalived; do
        case " $wanted " in *" $service "*) systemctl --quiet --runtime mask "$service.service" ;; esac
    done
    export DEBIAN_FRONTEND=noninteractive
    fetching apt-get -qq -o DPkg::Lock::Timeout=300 update >&2 || say 'apt-get update failed; going on with the lists it has' >&2
    # shellcheck disable=SC2086 # names of packages have no white space
    fetching apt-get -qq -o DPkg::Lock::Timeout=300 install --yes --no-install-recommends $wanted >&2 </dev/null ||
        fail "apt-get cannot install:$wanted"
    for service in haproxy keepalived; do
        case " $wanted " in
        *" $service "*)
            systemctl --quiet --runtime unmask "$service.service"
            systemctl --quiet disable "$service.service"
            ;;
        esac
    done
}

create_users() {
    while read -r user; do
        id "$user" >/dev/null 2>&1 && continue
        echo "$user" >>"$root/users" # first: remove.sh removes these users, also if this run is killed
        useradd --system --user-group --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin "$user"
    done <"$1/tables/users"
}

# Lets each service read its own keys, which belong to root. systemd-tmpfiles sets access control lists without a package;
# where the file system has none, it says nothing, and the group of the service is the way.
let_read() { # RELEASE
    [ -s "$1/tables/readers" ] || return 0
    while read -r user path; do echo "a+ $1/$path - - - - u:$user:r"; done <"$1/tables/readers" | systemd-tmpfiles --create -
    while read -r user path; do
        [ "$(stat -c %a "$1/$path")" = 600 ] || continue
        chgrp "$user" "$1/$path"
        chmod 0640 "$1/$path"
    done <"$1/tables/readers"
}

fetch_artifacts() {
    mkdir -p "$1/bin/cni"
    while read -r sha256 archive url name path; do
        if [ ! -d "$root/store/$sha256" ]; then
            say "fetches $name"
            fetch "$sha256" "$archive" "$url"
        fi
        [ "$path" != - ] || path='file'
        chmod 0755 "$root/store/$sha256/$path"
        ln -s "$root/store/$sha256/$path" "$1/bin/$name"
    done <"$1/tables/artifacts"
}

fetch() {
    sha256=$1 archive=$2 url=$3
    new_entry=$(mktemp -d "$root/store/.new-XXXXXX")
    download "$url" "$new_entry/file"
    found=$(sha256_of "$new_entry/file")
    if [ "$found" != "$sha256" ] && [ -n "$resumed" ]; then
        say "the parts of $url do not fit together; fetches the whole file" >&2
        rm "$new_entry/file"
        download "$url" "$new_entry/file"
        found=$(sha256_of "$new_entry/file")
    fi
    led=''
    [ "$final_url" = "${url%%\?*}" ] || led=", which leads to $final_url,"
    [ "$found" = "$sha256" ] || fail "$url$led has the sha256 $found, the lock says $sha256"
    case $archive in
    -) ;;
    tar.gz) tar -xzf "$new_entry/file" -C "$new_entry" --no-same-owner && rm "$new_entry/file" ;;
    *) fail "unknown archive type $archive of $url" ;;
    esac
    chmod 0755 "$new_entry"
    mv -T "$new_entry" "$root/store/$sha256"
}

sha256_of() { # openssl uses the processor's SHA instructions and is several times as fast
    if command -v openssl >/dev/null; then openssl dgst -sha256 -r "$1"; else sha256sum "$1"; fi | cut -d' ' -f1
}

# Fills in facts that only the machine knows: its interface, and its cgroup version.
write_facts() {
    if grep -qs @VIP_INTERFACE@ "$1/cfg/keepalived.conf"; then
        address=$(sed -n 's/^ *unicast_src_ip //p' "$1/cfg/keepalived.conf")
        interface=$(ip -o -4 address show to "$address" | awk '{print $2; exit}')
        [ -n "$interface" ] || fail "$address is not an address of this machine"
        sed -i "s/@VIP_INTERFACE@/$interface/" "$1/cfg/keepalived.conf"
    fi
    [ -e "$1/cfg/kubelet.json" ] || return 0
    if [ "$(stat -fc %T "$sysroot/sys/fs/cgroup")" = cgroup2fs ]; then
        systemd_cgroup=true cgroup='"cgroupDriver": "systemd"'
    else
        systemd_cgroup=false cgroup='"cgroupDriver": "cgroupfs", "failCgroupV1": false'
    fi
    mkdir -p "$1/cfg/kubelet.d"
    echo "{\"apiVersion\": \"kubelet.config.k8s.io/v1beta1\", \"kind\": \"KubeletConfiguration\", $cgroup}" \
        >"$1/cfg/kubelet.d/10-machine.conf"
    sed -i "s/@SYSTEMD_CGROUP@/$systemd_cgroup/" "$1/cfg/containerd.toml"
    [ ! -e "$1/cfg/kubelet.d/20-reserved.conf" ] || write_reserved "$1/cfg/kubelet.d/20-reserved.conf"
}

# What a machine keeps from its pods, in MiB and in thousandths of a processor: the shares that managed clusters keep,
# https://cloud.google.com/kubernetes-engine/docs/concepts/plan-node-sizes
write_reserved() {
    services=$(sed -n 's/.*@RESERVED_MEMORY+\([0-9]*\)@.*/\1/p' "$1")
    memory=$(awk -v services="$services" '
        function of(from, to, share) { return mib <= from ? 0 : ((mib < to ? mib : to) - from) * share }
        $1 == "MemTotal:" {
            mib = $2 / 1024
            printf "%d", services + of(0, 4096, .25) + of(4096, 8192, .2) + of(8192, 16384, .1) \
                + of(16384, 131072, .06) + of(131072, mib, .02)
        }' "$sysroot/proc/meminfo")
    processors=$(getconf _NPROCESSORS_ONLN)
    cpu=$(awk -v n="$processors" 'BEGIN {
        printf "%d", 60 + (n > 1 ? 10 : 0) + (n > 2 ? ((n < 4 ? n : 4) - 2) * 5 : 0) + (n > 4 ? (n - 4) * 2.5 : 0) }')
    [ -n "$memory" ] || fail "$sysroot/proc/meminfo does not say how much memory this machine has"
    sed -i "s/@RESERVED_CPU@/$cpu/; s/@RESERVED_MEMORY+[0-9]*@/$memory/" "$1"
}

# Whether a certificate of the release $1 has ended. A file that openssl cannot read has not ended.
has_ended() {
    find "$1/ssl" -name '*.pem' -type f 2>/dev/null | while read -r path; do
        openssl x509 -noout -in "$path" >/dev/null 2>&1 || continue
        openssl x509 -checkend 0 -noout -in "$path" >/dev/null 2>&1 || { echo "$path" && break; }
    done | grep -q .
}

# Starts all units if no release of this machine has been healthy yet: there is nothing to keep alive, so all machines
# of a new cluster start in parallel, also in a further attempt with another page. Certificates that have ended are such
# a case: no machine would become healthy while the other machines show theirs.
start_first() {
    ended=''
    [ -z "$(current)" ] || ! has_ended "$root/current" || ended=yes
    [ -z "$(current)" ] || [ -n "$ended" ] || { [ -e "$root/unproven" ] && [ ! -s "$root/unproven" ]; } || return 0
    write_unproven ''
    restart='' reload='' running=$(current)
    if [ -n "$running" ] && [ "$running" != "$1" ]; then
        plan_changes "$root/releases/$running" "$root/releases/$1"
        remove_units "$root/releases/$running" "$root/releases/$1"
    fi
    if [ -n "$ended" ]; then
        say "certificates of release $running have ended, so this machine does not wait for the other machines"
        restart=$(started_units "$root/releases/$1" | paste -sd ' ' -) reload=''
    fi
    install_units "$root/releases/$1"
    for name in bin cfg ssl; do ln -sfn "current/$name" "$root/$name"; done
    {
        echo "PATH=\$PATH:$root/bin"
        echo "export CRI_CONFIG_FILE=$root/cfg/crictl.yaml"
    } >"$sysroot/etc/profile.d/kubernetes.sh"
    switch "$1"
    # shellcheck disable=SC2086 # unit names have no white space
    [ -z "$restart$reload" ] || systemctl restart --no-block $restart $reload
    # shellcheck disable=SC2046
    systemctl start --no-block $(started_units "$root/current")
}
