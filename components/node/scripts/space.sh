# shellcheck shell=sh disable=SC2034,SC2154
# The alarm NOSPACE of etcd: the data has reached the quota, and etcd refuses writes until the alarm is disarmed. Functions
# for apply.sh and defrag.sh, which define root and say.
# https://etcd.io/docs/latest/op-guide/maintenance/#space-quota

# Whether nothing but the alarm keeps the member of this machine from being healthy. A roll has to go on then: another quota
# comes to the members in no other way.
lacks_only_space() { # UNIT
    [ "$1" = etcd.service ] && systemctl is-active --quiet etcd.service &&
        curl -fsS --noproxy '*' --max-time 2 --output /dev/null 'http://127.0.0.1:2381/health?exclude=NOSPACE' 2>/dev/null
}

request_bytes=1572864 # the largest request, etcd's default: with less room the alarm would come back with the next write

# Disarms the alarm if every member has room for further data. A subshell: the functions that it reads have names
# that callers use as well.
disarm_if_room() (
    # shellcheck source=/dev/null
    . "$root/cfg/etcd-functions"
    tls="--cacert=$root/ssl/etcd/ca.pem --cert=$root/ssl/etcd/peer.pem --key=$root/ssl/etcd/peer.key"
    local=https://127.0.0.1:2379
    alarms=$(ctl --endpoints="$local" alarm list 2>/dev/null) || { say 'etcd does not tell its alarms'; return 1; }
    case $alarms in
    *CORRUPT*) # etcdctl disarms all alarms or none
        say "the alarm CORRUPT of etcd stands, so no alarm is disarmed: $(echo "$alarms" | paste -sd ' ' -)"
        return 1
        ;;
    *NOSPACE*) ;;
    *) return 0 ;;
    esac
    status=$(ctl --endpoints="$local" endpoint status --cluster --write-out=fields 2>/dev/null) ||
        { say 'the alarm NOSPACE of etcd stands, and not every member answers'; return 1; }
    full=$(echo "$status" | full_members)
    if [ -n "$full" ]; then
        say "the alarm NOSPACE of etcd stands until every member has room: $full"
        return 1
    fi
    ctl --endpoints="$local" alarm disarm >/dev/null || { say 'the alarm NOSPACE of etcd cannot be disarmed'; return 1; }
    say 'every member of etcd has room: the alarm NOSPACE is disarmed'
)

# From `endpoint status --write-out=fields`: "URL has SIZE of QUOTA bytes, ..." for members without room. etcd tells its
# quota since 3.6; a member that does not tell counts as full.
full_members() {
    awk -F' : ' -v room="$request_bytes" '
        /^"DBSize"/ { size = $2 }
        /^"DBSizeQuota"/ { quota = $2 }
        /^"Endpoint"/ {
            gsub(/"/, "", $2)
            if (size + room >= quota + 0) full = full (full ? ", " : "") $2 " has " size " of " (quota ? quota : "?") " bytes"
            quota = ""
        }
        END { if (full) print full }'
}
