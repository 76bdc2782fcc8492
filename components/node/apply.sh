#!/bin/sh
# Brings a release onto this machine and makes it the current one. POSIX sh, idempotent, run as root.
#
#   apply.sh stage DIGEST DIR [install]
#                               take the unpacked release in DIR, fetch its programs, keep it as releases/DIGEST;
#                               on a machine without any release start everything at once and do not wait;
#                               install: also Debian's packages of programs that this machine lacks
#   apply.sh activate DIGEST [SECONDS]
#                               make it current: restart what changed, wait for health, else go back and fail;
#                               SECONDS: pods leave the node first where a change needs that, within that time
#
# Beside it: stage.sh is its first half, versions.sh says which steps between releases are refused or need that,
# drain.sh empties a node, remove.sh takes all of that away again.
#
# A release is a directory: cfg ssl units health leave bin, and tables/ with one record a line:
#   units        NAME RESTART_DIGEST RELOAD_DIGEST   in the order of their start
#   artifacts    SHA256 ARCHIVE URL NAME PATH        a program, and where it is in the download ("-": it is the download)
#   versions     NAME VERSION                        of each program
#   directories  PATH OWNER MODE
#   groups       GROUP PATH                          files that a service may read
#   users, commands                                  service users; programs the operating system has to bring
#
# It may be killed at any moment and called again. While a release is on its way to be current, the file `unproven`
# names the release before it, or is empty if there was none: whoever comes next restarts what may still run as it was.
set -eu
umask 022
trap '' PIPE # who asked may go away; a machine is not left between two releases because nobody listens
root=/opt/kubernetes
system=/etc/systemd/system
health_limit=${HARDWAY_HEALTH_LIMIT:-300} # seconds until all units of a release have to be healthy
kept_releases=3

say() { echo "$(hostname): $*" || true; }
fail() { say "$*" >&2; exit 1; }

current() { basename "$(readlink "$root/current" 2>/dev/null || true)"; }
units() { cut -d' ' -f1 "$1/tables/units"; }

# The process of the SSH server for this connection; nothing if there is none.
ssh_session() {
    process=$$
    while [ "$process" -gt 1 ]; do
        case $(cat "/proc/$process/comm" 2>/dev/null || true) in sshd*) echo "$process"; return ;; esac
        process=$(sed -n 's/^PPid:[[:space:]]*//p' "/proc/$process/status" 2>/dev/null || echo 1)
    done
}

# Whoever asked and is killed asks again: the next run need not wait until this one gives up.
is_wanted() { [ -z "$session" ] || [ -d "/proc/$session" ] || fail 'the run that asked for this has ended'; }

# ---- activate --------------------------------------------------------------------------------------------

activate() {
    digest=$1 drain_seconds=${2:-} running=$(current)
    [ -d "$root/releases/$digest" ] || fail "release $digest is not staged"
    for script in versions drain; do
        # shellcheck source=/dev/null
        . "$root/releases/$digest/$script.sh"
    done
    back=$running
    [ ! -e "$root/unproven" ] || back=$(cat "$root/unproven")
    steps='' restart='' reload=''
    for release in "$running" "$back"; do # after a step that was interrupted, units run as either of the two says
        case " $steps $digest " in *" $release "*) continue ;; esac
        steps="$steps $release"
        plan_changes "$root/releases/$release" "$root/releases/$digest"
    done
    for release in $steps; do
        needs_drain "$root/releases/$release" "$root/releases/$digest" || continue
        [ -z "$drain_seconds" ] || drain "$drain_seconds"
        break
    done
    # Going back was interrupted, and what it went back from is not known any more.
    if [ -z "$steps" ] && [ -s "$root/unproven" ]; then restart=" $(units "$root/current" | paste -sd ' ' -)"; fi
    if [ -n "$steps$restart" ]; then
        say "restarts:${restart:- nothing}; reloads:${reload:- nothing}"
        for release in $steps; do take_leave "$root/releases/$release" "$root/releases/$digest"; done
        write_unproven "$back"
        for release in $steps; do remove_units "$root/releases/$release" "$root/releases/$digest"; done
        switch "$digest"
        install_units "$root/current"
    fi
    [ "$back" != "$digest" ] || back=''
    deadline=$(($(date +%s) + health_limit))
    start_unchanged
    for unit in $(units "$root/current"); do
        bring_up "$unit" || roll_back "$unit"
        wait_healthy "$unit" || roll_back "$unit"
    done
    rm -f "$root/unproven"
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
    while read -r unit restart_digest reload_digest; do
        case "$restart " in *" $unit "*) continue ;; esac
        before=$(grep "^$unit " "$1/tables/units" || true)
        case $before in
        "$unit $restart_digest $reload_digest") ;;
        "$unit $restart_digest "*) case "$reload " in *" $unit "*) ;; *) reload="$reload $unit" ;; esac ;;
        *) restart="$restart $unit" ;;
        esac
    done <"$2/tables/units"
}

# Units that are to be removed say goodbye to others first; where that fails nothing has changed yet.
take_leave() {
    for unit in $(units "$1"); do
        if [ -e "$2/units/$unit" ] || [ ! -e "$1/leave/$unit" ]; then continue; fi
        sh "$1/leave/$unit" || fail "$unit cannot leave; release ${1##*/} stays in force"
    done
}

# All that neither restarts nor reloads, at once. Starting a unit that runs does nothing; one that should run but does
# not was left by a killed run. Never waits for a start: a kubelet that has no certificate yet starts when the API lets
# it in, which may be later than this.
start_unchanged() {
    unchanged=''
    for unit in $(units "$root/current"); do
        case "$restart$reload " in *" $unit "*) ;; *) unchanged="$unchanged $unit" ;; esac
    done
    # shellcheck disable=SC2086 # unit names have no white space
    [ -z "$unchanged" ] || systemctl start --no-block $unchanged
}

bring_up() {
    case "$restart " in *" $1 "*) restart_unit "$1" || systemctl start --no-block "$1"; return ;; esac
    case "$reload " in *" $1 "*) systemctl reload-or-restart "$1" || systemctl start --no-block "$1" ;; esac
}

# Ends when the old process is gone; whether the new one does its work is a question of health.
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
    until sh "$root/current/health/$1" >/dev/null 2>&1; do
        before_deadline || return 1
        # In a new cluster services end themselves until others are there; in one that works they have no reason to.
        [ -z "$back" ] || [ "$(systemctl show --property NRestarts --value "$1")" -lt 5 ] || return 1
        sleep 0.3
    done
}

before_deadline() {
    [ -n "$back" ] || is_wanted # a first release has nothing to go back to, so nothing is lost by leaving it
    [ "$(date +%s)" -lt "$deadline" ]
}

# Called when $1 is not healthy: goes back to $back if there is one, and fails in any case.
roll_back() {
    say "unit $1 of release $digest is not healthy: $(systemctl is-active "$1" || true); its last lines:" >&2
    journalctl --unit "$1" --lines 15 --no-pager --output cat >&2 || true
    [ -n "$back" ] || fail "unit $1 did not become healthy"
    say "going back to release $back" >&2
    switch "$back"
    remove_units "$root/releases/$digest" "$root/releases/$back"
    install_units "$root/current"
    deadline=$(($(date +%s) + health_limit))
    start_unchanged
    for unit in $(units "$root/current"); do bring_up "$unit" || true; done
    uncordon || say 'the node stays cordoned' >&2
    rm -f "$root/unproven"
    fail "unit $1 did not become healthy; the machine is back on release $back"
}

prune() {
    # shellcheck disable=SC2010,SC2012 # our own names, hexadecimal digits only
    ls -1t "$root/releases" | grep -vx "$digest" | tail -n "+$kept_releases" | while read -r release; do
        rm -rf "$root/releases/${release:?}"
    done
    cut -d' ' -f1 "$root"/releases/*/tables/artifacts | sort -u >/run/hardway-used
    for entry in "$root"/store/*; do
        grep -qx "$(basename "$entry")" /run/hardway-used || rm -rf "$entry"
    done
    rm -f /run/hardway-used
}

# ---- both ------------------------------------------------------------------------------------------------

switch() {
    ln -sfn "releases/$1" "$root/current.next"
    mv -T "$root/current.next" "$root/current"
}

install_units() {
    while read -r path owner mode; do install -d -o "$owner" -g "$owner" -m "$mode" "$path"; done <"$1/tables/directories"
    cp "$1"/units/* "$system/"
    systemctl daemon-reload
    enabled=''
    for unit in $(units "$1"); do
        ! grep -q '^\[Install\]' "$system/$unit" || enabled="$enabled $unit"
    done
    # shellcheck disable=SC2086 # unit names have no white space
    systemctl --quiet enable $enabled
}

# Stops and removes the units of release $1 that release $2 does not have.
remove_units() {
    for unit in $(units "$1"); do
        [ -e "$2/units/$unit" ] || { systemctl --quiet disable --now "$unit"; rm -f "$system/$unit"; }
    done
}

session=$(ssh_session)
exec 9>/run/hardway.lock
# Longer than another run can take that was left alone: its time for health, and going back.
flock -w $((2 * health_limit + 60)) 9 || fail "another run holds /run/hardway.lock"
is_wanted # or it would undo what a later run has done in the meantime
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
