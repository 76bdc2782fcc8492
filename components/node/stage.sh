# The first half of bringing a release onto this machine: all that it needs is fetched and kept, nothing that runs is
# touched; on a machine without any release everything starts.
# Functions for apply.sh, which has say, fail, root, and what both halves do.
# shellcheck disable=SC2154

stage() {
    digest=$1 new=$2 packages=${3:-refuse}
    mkdir -p "$root/releases" "$root/store" "$root/log"
    # What an earlier run left when it was killed.
    find "$root/releases" -maxdepth 1 -name '.new-*' -mmin +60 -exec rm -rf {} +
    trap 'rm -rf "$new" "$root"/store/.new-*' EXIT
    # shellcheck source=/dev/null
    . "$new/versions.sh"
    back=$(cat "$root/unproven" 2>/dev/null || true)
    [ "$back" = "$digest" ] || refuse_steps "$root/current" "$new"
    if [ ! -d "$root/releases/$digest" ]; then
        require_commands "$new" "$packages"
        create_users "$new"
        fetch_artifacts "$new"
        write_facts "$new"
        while read -r group path; do chgrp "$group" "$new/$path"; done <"$new/tables/groups"
        chmod 0755 "$new"
        mv -T "$new" "$root/releases/$digest"
    else
        # The same release by another version of this script.
        install -m 0755 "$new"/*.sh "$root/releases/$digest/"
    fi
    start_first "$digest"
    # Back to what the machine had when the step to another release was interrupted, be it while pods left for it:
    # nothing else would do that, since whoever keeps the records never heard of the other one.
    if [ "$back" = "$digest" ] || { [ "$(current)" = "$digest" ] && [ -e "$root/cordoned" ]; }; then
        activate "$digest"
    fi
    say "release $digest is staged"
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

missing_commands() { # " NAME NAME"; this script itself needs curl
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
        nft) wanted="$wanted nftables" ;;
        modprobe) wanted="$wanted kmod" ;;
        ip) wanted="$wanted iproute2" ;;
        curl) wanted="$wanted curl ca-certificates" ;;
        *) wanted="$wanted $command" ;;
        esac
    done
    command -v apt-get >/dev/null || fail "these programs are missing, and there is no apt-get:$missing"
    say "installs:$wanted"
    # Debian starts what it installs; ours are other units, with other configurations.
    for service in haproxy keepalived; do
        case " $wanted " in *" $service "*) systemctl --quiet --runtime mask "$service.service" ;; esac
    done
    export DEBIAN_FRONTEND=noninteractive
    apt-get -qq -o DPkg::Lock::Timeout=300 update >&2 || say 'apt-get update failed; going on with the lists it has' >&2
    # shellcheck disable=SC2086 # names of packages have no white space
    apt-get -qq -o DPkg::Lock::Timeout=300 install --yes --no-install-recommends $wanted >&2 </dev/null ||
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
        useradd --system --user-group --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin "$user"
        echo "$user" >>"$root/users" # so that remove.sh knows which ones were not there before
    done <"$1/tables/users"
}

fetch_artifacts() {
    mkdir -p "$1/bin/cni"
    while read -r sha256 archive url name path; do
        [ -d "$root/store/$sha256" ] || fetch "$sha256" "$archive" "$url"
        [ "$path" != - ] || path='file'
        chmod 0755 "$root/store/$sha256/$path"
        ln -s "$root/store/$sha256/$path" "$1/bin/$name"
    done <"$1/tables/artifacts"
}

fetch() {
    sha256=$1 archive=$2 url=$3
    new_entry=$(mktemp -d "$root/store/.new-XXXXXX")
    attempt=1
    until curl -fsS --retry 3 --connect-timeout 10 --max-time 900 -o "$new_entry/file" "$url" </dev/null; do
        code=$?
        # 22: the server has answered that it does not have it. Anything else may be a server that is not up yet.
        { [ "$code" != 22 ] && [ "$attempt" -lt 6 ]; } || fail "cannot fetch $url"
        sleep "$attempt"
        attempt=$((attempt + 1))
    done
    found=$(sha256_of "$new_entry/file")
    [ "$found" = "$sha256" ] || fail "$url has the sha256 $found, the lock says $sha256"
    case $archive in
    -) ;;
    tar.gz) tar -xzf "$new_entry/file" -C "$new_entry" --no-same-owner && rm "$new_entry/file" ;;
    *) fail "unknown archive type $archive of $url" ;;
    esac
    chmod 0755 "$new_entry"
    mv -T "$new_entry" "$root/store/$sha256"
}

sha256_of() { # openssl uses the processor's own instructions and is several times as fast
    if command -v openssl >/dev/null; then openssl dgst -sha256 -r "$1"; else sha256sum "$1"; fi | cut -d' ' -f1
}

# What only the machine itself knows: its interface, its cgroup version, and where its resolver's real servers are.
write_facts() {
    if grep -qs @VIP_INTERFACE@ "$1/cfg/keepalived.conf"; then
        address=$(sed -n 's/^ *unicast_src_ip //p' "$1/cfg/keepalived.conf")
        interface=$(ip -o -4 address show to "$address" | awk '{print $2; exit}')
        [ -n "$interface" ] || fail "$address is not an address of this machine"
        sed -i "s/@VIP_INTERFACE@/$interface/" "$1/cfg/keepalived.conf"
    fi
    [ -e "$1/cfg/kubelet.json" ] || return 0
    if [ "$(stat -fc %T /sys/fs/cgroup)" = cgroup2fs ]; then
        systemd_cgroup=true cgroup='"cgroupDriver": "systemd"'
    else
        systemd_cgroup=false cgroup='"cgroupDriver": "cgroupfs", "failCgroupV1": false'
    fi
    resolver=''
    [ ! -e /run/systemd/resolve/resolv.conf ] || resolver=', "resolvConf": "/run/systemd/resolve/resolv.conf"'
    mkdir -p "$1/cfg/kubelet.d"
    echo "{\"apiVersion\": \"kubelet.config.k8s.io/v1beta1\", \"kind\": \"KubeletConfiguration\", $cgroup$resolver}" \
        >"$1/cfg/kubelet.d/10-machine.conf"
    sed -i "s/@SYSTEMD_CGROUP@/$systemd_cgroup/" "$1/cfg/containerd.toml"
}

# On a machine whose first release is not healthy yet there is nothing to keep alive: all machines of a new cluster
# start in parallel, also when it is tried again with another page.
start_first() {
    [ -z "$(current)" ] || { [ -e "$root/unproven" ] && [ ! -s "$root/unproven" ]; } || return 0
    write_unproven ''
    restart='' reload='' running=$(current)
    if [ -n "$running" ] && [ "$running" != "$1" ]; then
        plan_changes "$root/releases/$running" "$root/releases/$1"
        remove_units "$root/releases/$running" "$root/releases/$1"
    fi
    install_units "$root/releases/$1"
    for name in bin cfg ssl; do ln -sfn "current/$name" "$root/$name"; done
    {
        echo "PATH=\$PATH:$root/bin"
        echo "export CRI_CONFIG_FILE=$root/cfg/crictl.yaml"
    } >/etc/profile.d/kubernetes.sh
    switch "$1"
    # shellcheck disable=SC2086 # unit names have no white space
    [ -z "$restart$reload" ] || systemctl restart --no-block $restart $reload
    # shellcheck disable=SC2046
    systemctl start --no-block $(units "$root/current")
}
