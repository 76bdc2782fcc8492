# shellcheck shell=sh disable=SC2154
# Asking members of etcd. Functions for etcd-member.sh and cluster.sh, which set:
#   root      where releases lie
#   tls       the options --cacert --cert --key of etcdctl, paths without white space
#   clients   client URLs of the members that may be asked

ctl() {
    # Never through a proxy of the host's environment: etcdctl would use it for every member but its own.
    # shellcheck disable=SC2086 # several options
    NO_PROXY='*' "$root/bin/etcdctl" $tls --dial-timeout=2s --command-timeout=5s "$@"
}

# Asks one member after the other until one does it: $answer is what it said, else $problem what spoke against it. That
# a learner does nothing and a dead member does not answer says less than what the others say.
ask() {
    problem=''
    for client in $clients; do
        if answer=$(ctl --endpoints="$client" "$@" 2>&1 </dev/null); then return 0; fi
        said=$(echo "$answer" | sed -n 's/^Error: //p' | tail -n 1)
        case ${said:-no answer} in
        'no answer' | *'not supported for learner'* | *'deadline exceeded'* | *'connection'*)
            problem=${problem:-$client: ${said:-no answer}}
            ;;
        *)
            problem="$client: $said"
            return 1
            ;;
        esac
    done
    problem=${problem:-there is no other member}
    return 1
}

# $list: a line "ID STATUS NAME PEER LEARNER" for each member, NAME being - for one that has not started.
members() {
    ask member list || return 1
    list=$(echo "$answer" | awk -F', ' 'NF >= 6 { print $1, $2, ($3 == "" ? "-" : $3), $4, $6 }')
    [ -n "$list" ]
}
