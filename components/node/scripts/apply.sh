#!/bin/sh
# Stages a release on this machine and activates it. POSIX sh, idempotent, run as root.
#
#   apply.sh stage DIGEST DIR [install]
#                               fetch the programs of the unpacked release in DIR and keep it as releases/DIGEST;
#                               on a machine without any release, start all units without waiting for them;
#                               install: also install Debian's packages of programs that this machine lacks
#   apply.sh activate DIGEST [SECONDS]
#                               make it the current release: restart units that changed and wait until all units
#                               are healthy; if one is not, roll back and fail;
#                               SECONDS: time limit of the drain, if the change needs one
#
# Other scripts of a release: stage.sh is the first half of this script, download.sh fetches a program, clock.sh compares
# the clock with certificates, versions.sh, generations.sh and still_needed.sh decide which steps between releases are
# refused or need a drain, drain.sh drains the node, space.sh knows etcd's alarm NOSPACE, kubelet_renew.sh and settle.sh
# complete a step of a rotation, remove.sh removes everything from the machine again.
#
# A release is a directory: cfg ssl units health leave bin, and tables/ with one record a line:
#   units        NAME RESTART_DIGEST RELOAD_DIGEST [installed]   in the order of their start; installed: an
#                activation does not start the unit, something else does, such as a timer
#   artifacts    SHA256 ARCHIVE URL NAME PATH        a program, and its path in the archive ("-": no archive)
#   versions     NAME VERSION                        of each program
#   directories  PATH OWNER MODE
#   groups       GROUP PATH                          files that the group of a service may read
#   users, commands                                  service users; programs that the operating system has to have
#   network      KIND NAME                           what the network plugin leaves on the machine, for remove.sh
#   certificates UNIT ADDRESS PATH                   the certificate that the unit shows at an address, for status.sh
#
# The script may be killed at any moment and called again. During an activation the file `unproven` names the previous
# release, or is empty if there was none: the next call restarts units that may still run as in that release.
set -eu
umask 022
trap '' PIPE # without a connection an activation still finishes: no machine stays between two releases
sysroot=${HARDWAY_SYSROOT:-} # before every path of the machine; unit tests set it
root=${HARDWAY_ROOT:-$sysroot/opt/kubernetes}
system=$sysroot/etc/systemd/system
lock=$sysroot/run/hardway.lock
health_limit=${HARDWAY_HEALTH_LIMIT:-300} # seconds until all units of a release have to be healthy
late=''         # the unit that was not healthy when this time was over
kept_releases=3

say() { echo "$(hostname): $*" || true; }
fail() { say "$*" >&2; exit 1; }

current() { basename "$(readlink "$root/current" 2>/dev/null || true)"; }
units() { cut -d' ' -f1 "$1/tables/units"; }
started_units() { awk '$4 != "installed" { print $1 }' "$1/tables/units"; } # units that an activation starts

# The process of the SSH server for this connection; nothing if there is none.
ssh_session() {
    process=$$
    while [ "$process" -gt 1 ]; do
        case $(cat "$sysroot/proc/$process/comm" 2>/dev/null || true) in sshd*) echo "$process"; return ;; esac
        process=$(sed -n 's/^PPid:[[:space:]]*//p' "$sysroot/proc/$process/status" 2>/dev/null || echo 1)
    done
}

# Fails if the run that called this script has ended: the next run must not wait until this call times out.
is_wanted() { [ -z "$session" ] || [ -d "$sysroot/proc/$session" ] || fail 'the run that asked for this has ended'; }

# ---- activate --------------------------------------------------------------------------------------------

activate() {
    digest=$1 drain_seconds=${2:-} running=$(current)
    [ -d "$root/releases/$digest" ] || fail "release $digest is not staged"
    for script in versions generations drain space; do
        # shellcheck source=/dev/null
        . "$root/releases/$digest/$script.sh"
    done
    back=$running
    [ ! -e "$root/unproven" ] || back=$(cat "$root/unproven")
    steps='' restart='' reload=''
    for release in "$running" "$back"; do # after an interrupted activation a unit may run as in either release
        case " $steps $digest " in *" $release "*) continue ;; esac
        steps="$steps $release"
        plan_changes "$root/releases/$release" "$root/releases/$digest"
    done
    for release in $steps; do
        needs_drain "$root/releases/$release" "$root/releases/$digest" || continue
        [ -z "$drain_seconds" ] || drain "$drain_seconds"
        break
    done
    # A roll back was interrupted, and the release that it started from is not known any more.
    if [ -z "$steps" ] && [ -s "$root/unproven" ]; then restart=" $(started_units "$root/current" | paste -sd ' ' -)"; fi
    if [ -n "$steps$restart" ]; then
        say "restarts:${restart:- nothing}; reloads:${reload:- nothing}"
        for release in $steps; do run_removal_hooks "$root/releases/$release" "$root/releases/$digest"; done
        write_unproven "$back"
        for release in $steps; do remove_units "$root/releases/$release" "$root/releases/$digest"; done
        switch "$digest"
        install_units "$root/current"
    fi
    [ "$back" != "$digest" ] || back=''
    deadline=$(($(date +%s) + health_limit))
    start_unchanged
    for unit in $(started_units "$root/current"); do
        bring_up "$unit" || roll_back "$unit"
        wait_healthy "$unit" || roll_back "$unit"
    done
    rm -f "$root/unproven"
    [ ! -e "$root/current/units/etcd.service" ] || disarm_if_room || true
    take_pods_again
    prune
    say "release $digest is healthy"
}

write_unproven() {
    printf '%s' "$1" >"$root/unproven.next"
    mv "$root/unproven.next" "$root/unproven"
}

# Adds to $restart and $reload: units whose digests differ between two releases.
plan_changes() {
    while read -r unit restart_digest reload_digest how; do
        [ "$how" != installed ] || continue
        case "$restart " in *" $unit "*) continue ;; esac
        before=$(grep "^$unit " "$1/tables/units" || true)
        case $before in
        "$unit $restart_digest $reload_digest") ;;
        "$unit $restart_digest "*) case "$reload " in *" $unit "*) ;; *) reload="$reload $unit" ;; esac ;;
        *) restart="$restart $unit" ;;
        esac
    done <"$2/tables/units"
}

# Runs the hooks of units that will be removed, such as that of an etcd member. If a hook fails, nothing has changed.
run_removal_hooks() {
    for unit in $(units "$1"); do
        if [ -e "$2/units/$unit" ] || [ ! -e "$1/leave/$unit" ]; then continue; fi
        sh "$1/leave/$unit" || fail "$unit cannot be removed; release ${1##*/} stays active"
    done
}

# Starts all units that are neither restarted nor reloaded. For a unit that runs this does nothing; a killed run may
# have left a unit that does not run. Never waits for a start: a kubelet without a certificate starts once the API
# accepts its bootstrap token, which may be after this activation.
start_unchanged() {
    unchanged=''
    for unit in $(started_units "$root/current"); do
        case "$restart$reload " in *" $unit "*) ;; *) unchanged="$unchanged $unit" ;; esac
    done
    # shellcheck disable=SC2086 # unit names have no white space
    [ -z "$unchanged" ] || systemctl start --no-block $unchanged
}

bring_up() {
    case "$restart " in *" $1 "*) restart_unit "$1" || systemctl start --no-block "$1"; return ;; esac
    case "$reload " in *" $1 "*) systemctl reload-or-restart "$1" || systemctl start --no-block "$1" ;; esac
}

# Waits until the old process is gone. Whether the new process works is checked by wait_healthy.
restart_unit() {
    [ "$(systemctl is-active "$1")" != inactive ] || { systemctl start --no-block "$1" && return; }
    before=$(systemctl show --property InvocationID --value "$1")
    systemctl restart --no-block "$1"
    until [ "$(systemctl show --property InvocationID --value "$1")" != "$before" ]; do
        before_deadline || return 1
        sleep 0.2
    done
}

wait_healthy() {
    asked=0
    until sh "$root/current/health/$1" >/dev/null 2>&1 || lacks_only_space "$1"; do
        before_deadline || { late=$1 && return 1; }
        # In a new cluster services exit until the services that they need are up; in a working cluster repeated
        # restarts are a failure. Only services have the property NRestarts.
        restarts=$(systemctl show --property NRestarts --value "$1")
        [ -z "$back" ] || [ "${restarts:-0}" -lt 5 ] || return 1
        asked=$((asked + 1))
        [ "$asked" -ne 2 ] || say "waits for $1"
        sleep 0.3
    done
}

before_deadline() {
    [ -n "$back" ] || is_wanted # a first release cannot be rolled back, so it may be left as it is
    [ "$(date +%s)" -lt "$deadline" ]
}

# Called if the unit $1 is not healthy: activates the release $back if there is one, and always fails.
roll_back() {
    say "unit $1 of release $digest is not healthy: $(systemctl is-active "$1" || true); its last lines:" >&2
    journalctl --unit "$1" --lines 15 --no-pager --output cat >&2 || true
    [ "$late" != "$1" ] || tell_slow_from_broken "$1"
    [ -n "$back" ] || fail "unit $1 did not become healthy"
    say "rolling back to release $back" >&2
    switch "$back"
    remove_units "$root/releases/$digest" "$root/releases/$back"
    install_units "$root/current"
    deadline=$(($(date +%s) + health_limit))
    start_unchanged
    for unit in $(started_units "$root/current"); do bring_up "$unit" || true; done
    uncordon || say 'the node stays cordoned' >&2
    rm -f "$root/unproven"
    fail "unit $1 did not become healthy; the machine is back on release $back"
}

# A program that works slowly is not broken: the unit $1 runs, was not started again, and the time is over. Programs end
# by themselves if they wait for too long, as an API server does that cannot make its first objects. So a program that
# ends on a machine with several times the work that its processors do may be slow, too.
tell_slow_from_broken() {
    restarts=$(systemctl show --property NRestarts --value "$1")
    read -r load _ <"$sysroot/proc/loadavg" 2>/dev/null || load=unknown
    case $(systemctl is-active "$1" || true):${restarts:-0} in
    active:0 | activating:0) seen="runs, and has not ended since its start" ;;
    *)
        is_overloaded "$load" || return 0
        seen="ends and is started again ($restarts times) on a machine with too much work"
        ;;
    esac
    say "unit $1 $seen: it may be slow and not broken. It had $health_limit s; this" \
        "machine has $(nproc) processors and a load of $load. hardway:rollout.healthTimeout gives it more time, and" \
        "hardway:rollout.answerTimeout more time for each answer" >&2
}

is_overloaded() { # LOAD, an average of the kernel such as 7.25
    case $1 in *.*) [ "${1%%.*}" -ge $((3 * $(nproc))) ] ;; *) return 1 ;; esac
}

prune() {
    # shellcheck disable=SC2010,SC2012 # the names are hexadecimal digits
    ls -1t "$root/releases" | grep -vx "$digest" | tail -n "+$kept_releases" | while read -r release; do
        rm -rf "$root/releases/${release:?}"
    done
    # shellcheck disable=SC2010 # the names are hexadecimal digits
    ls -1 "$root/releases" | grep -vx "$digest" | while read -r release; do
        ! holds_more "$root/releases/$release" || rm -rf "$root/releases/${release:?}"
    done
    # A machine without a kubelet has no right to the certificate with which it was a node.
    [ -e "$root/current/units/kubelet.service" ] || rm -rf "$sysroot/var/lib/kubelet/pki"
    used=$sysroot/run/hardway-used
    cut -d' ' -f1 "$root"/releases/*/tables/artifacts | sort -u >"$used"
    for entry in "$root"/store/*; do
        grep -qx "$(basename "$entry")" "$used" || rm -rf "$entry"
    done
    rm -f "$used"
}

# Whether the release $1 holds what this machine has no right to any more: keys of a role that the machine lost, or of a
# generation that is given up.
holds_more() {
    lost=$(cd "$1" && find ssl -type f | while read -r path; do [ -e "$root/current/$path" ] || echo "$path"; done)
    [ -n "$lost" ] || has_given_up "$1" "$root/current"
}

# ---- both ------------------------------------------------------------------------------------------------

switch() {
    ln -sfn "releases/$1" "$root/current.next"
    mv -T "$root/current.next" "$root/current"
    # Programs of Kubernetes watch the files that they have read (fsnotify), and not the links that lead to the files.
    # They read certificates and bundles again, by the links, if something happens to a watched file. So something does.
    find "$root/releases" -path '*/ssl/*' -type f -exec touch {} + || true
}

install_units() {
    while read -r path owner mode; do install -d -o "$owner" -g "$owner" -m "$mode" "$sysroot$path"; done <"$1/tables/directories"
    cp "$1"/units/* "$system/"
    # CIS 1.1.1 to 1.1.7 and 4.1.1. systemd logs that such a file is no secret: it tells everybody what is in its units.
    for unit in $(units "$1"); do chmod 0600 "$system/$unit"; done
    systemctl daemon-reload
    enabled=''
    for unit in $(started_units "$1"); do
        ! grep -q '^\[Install\]' "$system/$unit" || enabled="$enabled $unit"
    done
    # shellcheck disable=SC2086 # unit names have no white space
    systemctl --quiet enable $enabled
}

# Stops and removes the units of release $1 that release $2 does not have. Stops units that the activation of $1 started
# and that $2 only installs; a unit that was already started by something else, such as a timer, may finish its work.
remove_units() {
    for unit in $(units "$1"); do
        if [ ! -e "$2/units/$unit" ]; then
            systemctl --quiet disable --now "$unit"
            rm -f "$system/$unit"
        elif grep -q "^$unit .* installed$" "$2/tables/units" && ! grep -q "^$unit .* installed$" "$1/tables/units"; then
            systemctl --quiet disable --now "$unit"
        fi
    done
}

# ---- called ----------------------------------------------------------------------------------------------

session=$(ssh_session)
# The unpacked release holds private keys: it goes also if this call ends before its turn comes.
[ "${1:-}" != stage ] || { unpacked=$3; trap 'rm -rf "$unpacked"' EXIT; }
exec 9>"$lock"
# Longer than another run can take: its health limit, and a roll back.
flock -w $((2 * health_limit + 60)) 9 || fail "another run holds $lock"
is_wanted # otherwise this call could undo the changes of a later run
action=$1
shift
case $action in
stage)
    # shellcheck source=/dev/null
    . "${0%/*}/stage.sh"
    stage "$@"
    ;;
activate) activate "$@" ;;
*) fail "usage: apply.sh stage DIGEST DIR [install] | activate DIGEST [SECONDS]" ;;
esac
