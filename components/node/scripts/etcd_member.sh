#!/bin/sh
# How the etcd member of this machine comes into its cluster, and leaves it. POSIX sh; lies in every release of a member.
#
#   etcd-member.sh start     before etcd, as its user: says in $run/cluster.env how a member without data starts
#   etcd-member.sh vote      after etcd, as root: ends once the member votes
#   etcd-member.sh leave     before etcd is taken off this machine, as root: the others go on without it
#
# A member without data starts a new cluster only if Pulumi's state has this very machine as a founder (etcd-founder)
# and it has never voted. Any other one joins: a member that comes back under its old identity without what it had
# acknowledged could make the cluster forget it. https://etcd.io/docs/latest/op-guide/runtime-configuration/
#
# Every step may be killed and run again. What it waits for is in the journal.
# shellcheck disable=SC1091,SC2034,SC2154 # what it shares with others
set -eu
root=${HARDWAY_ROOT:-/opt/kubernetes}
run=${HARDWAY_RUN:-/run/etcd}
metrics=http://127.0.0.1:2381
voted=$root/etcd-voted # is there once the member of this machine has voted, whatever became of its data
pause=${HARDWAY_PAUSE:-1}
leave_limit=120 # seconds
# MEMBER_NAME MEMBER_OWN (client URL) MEMBER_PEER (peer URL) MEMBER_WAL MEMBER_DATA; of all members MEMBER_ALL (NAME=PEER ...),
# of the others MEMBER_PEERS and MEMBER_CLIENTS (URLs).
. "$root/cfg/etcd-initial.env"
. "$root/cfg/etcd-functions"
tls="--cacert=$root/ssl/etcd/ca.pem --cert=$root/ssl/etcd/peer.pem --key=$root/ssl/etcd/peer.key"
clients=$MEMBER_CLIENTS

line='' line_until=0
say() { # the same line once in 15 s at most, however often it is tried
    if [ "$1" != "$line" ] || [ "$(date +%s)" -ge "$line_until" ]; then
        echo "$1" >&2
        line=$1 line_until=$(($(date +%s) + 15))
    fi
}

peer_get() { # URL, more options
    url=$1
    shift
    curl -fsS --noproxy '*' --http1.1 --connect-timeout 1 --max-time 2 --cacert "$root/ssl/etcd/ca.pem" --cert "$root/ssl/etcd/peer.pem" \
        --key "$root/ssl/etcd/peer.key" "$@" "$url" 2>/dev/null
}

has_data() { for file in "$MEMBER_WAL"/*.wal; do [ -e "$file" ] && return; done; return 1; }

# Whether another member knows that this one has been there. They answer each other before there is a majority.
was_there() {
    for peer in $MEMBER_PEERS; do
        peer_get "$peer/members" | sed 's/},{/}\n{/g' |
            grep -F "\"$MEMBER_PEER\"" | grep -q '"clientURLs":\["' && return
    done
    return 1
}

start() {
    rm -f "$run/cluster.env"
    ! has_data || return 0
    if [ "$(cat "$root/cfg/etcd-founder")" = yes ] && [ ! -e "$voted" ] && ! was_there; then
        write_cluster new "$(echo "$MEMBER_ALL" | tr ' ' ',')"
        return
    fi
    until join; do sleep "$pause"; done
}

write_cluster() {
    printf 'ETCD_INITIAL_CLUSTER_STATE=%s\nETCD_INITIAL_CLUSTER=%s\n' "$1" "$2" >"$run/cluster.env.new"
    mv "$run/cluster.env.new" "$run/cluster.env"
}

# One attempt to be a member that has not started yet, under this name and peer URL.
join() {
    if [ -z "$MEMBER_CLIENTS" ]; then
        say "the only member of etcd is without its data, and nobody else has it: restore a snapshot into $MEMBER_DATA"
        return 1
    fi
    members || { say "cannot join etcd yet: $problem"; return 1; }
    added=''
    while read -r id status name peer _; do
        if [ "$peer" = "$MEMBER_PEER" ] && [ "$status" = unstarted ]; then
            added=$id
        elif [ "$peer" = "$MEMBER_PEER" ] || [ "$name" = "$MEMBER_NAME" ]; then
            echo "removes member $id ($name, $peer): its data is gone" >&2
            ask member remove "$id" || { say "cannot remove it yet: $problem"; return 1; }
        fi
    done <<-END
	$list
	END
    [ -n "$added" ] || add || return 1
    members || { say "cannot join etcd yet: $problem"; return 1; }
    write_cluster existing "$(echo "$list" | awk -v name="$MEMBER_NAME" -v peer="$MEMBER_PEER" \
        '{ print ($4 == peer ? name : $3 == "-" ? "member-" $1 : $3) "=" $4 }' | paste -sd, -)"
    echo "joins etcd as a learner" >&2
}

# A cluster with a dead member takes no other: one that nobody wants any more is removed for that.
add() {
    ask member add "$MEMBER_NAME" --learner --peer-urls="$MEMBER_PEER" && return
    case $problem in
    *'too many learner'*) say 'waits: another member is joining etcd' ;;
    *unhealthy*) remove_dead || say "cannot join etcd yet, a member is not healthy: $problem" ;;
    *) say "cannot join etcd yet: $problem" ;;
    esac
    return 1
}

remove_dead() {
    why=$problem removed=1
    while read -r id _ name peer _; do
        case " $MEMBER_ALL " in *" $name="* | *"=$peer "*) continue ;; esac
        ! peer_get "$peer/version" --output /dev/null || continue
        echo "removes member $id ($name, $peer): it is dead, and nobody wants it any more" >&2
        if ask member remove "$id"; then removed=0; fi
    done <<-END
	$list
	END
    problem=$why
    return "$removed"
}

vote() {
    until is_voter; do sleep "$pause"; done
    : >"$voted"
}

is_voter() {
    # 404: an etcd that does not tell (before 3.6).
    ! curl -fsS --noproxy '*' --max-time 2 --output /dev/null "$metrics/readyz/non_learner" 2>/dev/null || return 0
    [ -n "$MEMBER_CLIENTS" ] || return 0
    members || { say "a learner of etcd, does not vote yet: $problem"; return 1; }
    id=$(echo "$list" | awk -v peer="$MEMBER_PEER" '$4 == peer && $5 == "true" { print $1 }')
    [ -n "$id" ] || return 0
    ask member promote "$id" || { say "a learner of etcd, does not vote yet: $problem"; return 1; }
    echo 'votes in etcd' >&2
}

leave() {
    until_time=$(($(date +%s) + leave_limit))
    until is_gone; do
        [ "$(date +%s)" -lt "$until_time" ] || { echo "the member of etcd cannot leave: $problem" >&2; exit 1; }
        sleep "$pause"
    done
    systemctl stop etcd.service
    # It would not be let in again with that, and a member that joins starts without.
    for path in "$MEMBER_DATA/member" "$MEMBER_WAL"; do
        [ ! -d "$path" ] || find "$path" -mindepth 1 -delete
    done
}

is_gone() {
    members || return 1
    id=$(echo "$list" | awk -v peer="$MEMBER_PEER" '$4 == peer { print $1 }')
    [ -n "$id" ] || return 0
    # The others would be without a leader until they notice.
    for client in $MEMBER_CLIENTS; do
        other=$(ctl --endpoints="$client" endpoint status 2>/dev/null | awk -F', ' '{ print $2 }')
        [ -n "$other" ] || continue
        ctl --endpoints="$MEMBER_OWN" move-leader "$other" >/dev/null 2>&1 || true
        break
    done
    ask member remove "$id"
}

case ${1:-} in
start | vote | leave) "$1" ;;
*) echo "usage: etcd-member.sh start | vote | leave" >&2; exit 2 ;;
esac
