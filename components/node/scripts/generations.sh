# Decides which steps of a rotation are refused. Functions for apply.sh, which defines say and fail.
#
#   cfg/generations   KEY ACTIVE TRUSTED...    for each long-lived key of which the release has something
#
# The next release may use only what the current release of this machine trusts, and has to trust what the current
# release uses: other machines run the one release or the other at the same time.

generations_of() { sed -n "s/^$2 //p" "$1/cfg/generations" 2>/dev/null || true; }

# The generations of a key that the release $1 trusts and the release $2 does not. None if $2 does not have the key.
given_up() { # RELEASE-BEFORE RELEASE-NEXT KEY
    next=$(generations_of "$2" "$3")
    [ -n "$next" ] || return 0
    before=$(generations_of "$1" "$3")
    for number in ${before#* }; do
        case " ${next#* } " in *" $number "*) ;; *) echo "$number" ;; esac
    done
}

# Whether the release $1 has keys of a generation that the release $2 does not trust. A release has the private key of
# the generation that it uses, and every encryption key that it trusts.
has_given_up() {
    [ -e "$1/cfg/generations" ] || return 1
    while read -r key active _; do
        for number in $(given_up "$1" "$2" "$key"); do
            [ "$key" != encryption ] && [ "$number" != "$active" ] || return 0
        done
    done <"$1/cfg/generations"
    return 1
}

# Fails unless generations of the release $2 may follow those of the release $1.
refuse_rotation() {
    [ -e "$2/cfg/generations" ] || return 0
    while read -r key active trusted; do
        before=$(generations_of "$1" "$key")
        # An earlier version of the program made the current release: it knew only the first generation.
        [ -e "$1/cfg/generations" ] || before='1 1'
        [ -n "$before" ] || continue
        used=${before%% *} known=${before#* }
        case " $known " in
        *" $active "*) ;;
        *) fail "generation $active of the key $key cannot be used: this machine trusts $known so far. Nothing was changed" ;;
        esac
        case " $trusted " in
        *" $used "*) ;;
        *) fail "generation $used of the key $key is in use on this machine and has to stay trusted. Nothing was changed" ;;
        esac
    done <"$2/cfg/generations"
}
