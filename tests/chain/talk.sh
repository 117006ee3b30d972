# shellcheck shell=bash
# Conversations with a server, and what its log says. Sourced by tests/chain/lib.sh.

# dial plain|tls|starttls [PORT [ADDRESS]]: opens a connection; its number is then in C. say C TEXT; hear C REGEX [SECONDS]; hang C.
# hear reads lines until one matches; they are in HEARD; the octets of each connection are counted in SENT[C] and RECEIVED[C].
declare -A READ WRITE SENT RECEIVED AGENT
C=0
dial() {
    C=$((C + 1))
    SENT[$C]=0 RECEIVED[$C]=0
    local r w
    case $1 in
    plain)
        { exec {r}<>"/dev/tcp/${3:-127.0.0.1}/${2:-143}"; } 2>/dev/null || return 1
        READ[$C]=$r WRITE[$C]=$r
        ;;
    *)
        local to=$W/to.$C from=$W/from.$C options=(-connect "127.0.0.1:${2:-993}")
        [ "$1" = starttls ] && options=(-starttls imap -connect "127.0.0.1:${2:-143}")
        mkfifo "$to" "$from"
        openssl s_client -quiet -verify_return_error -CAfile "$W/cert.pem" "${options[@]}" <"$to" >"$from" 2>"$W/tls.$C" &
        AGENT[$C]=$!
        exec {w}>"$to" {r}<"$from"
        rm -f "$to" "$from"
        READ[$C]=$r WRITE[$C]=$w
        ;;
    esac
}
# shellcheck disable=SC2261 # 2>/dev/null is for a connection that is gone
say() { local LC_ALL=C; SENT[$1]=$((${SENT[$1]} + ${#2} + 2)); printf '%s\r\n' "$2" 2>/dev/null >&"${WRITE[$1]}"; }
hear() {
    local LC_ALL=C line
    HEARD=
    while IFS= read -r -t "${3:-15}" -u "${READ[$1]}" line; do
        RECEIVED[$1]=$((${RECEIVED[$1]} + ${#line} + 1))
        HEARD=$HEARD${line%$'\r'}$'\n'
        [[ ${line%$'\r'} =~ $2 ]] && return 0
    done
    HEARD=$HEARD"(no line like /$2/)"
    return 1
}
# ask C REGEX TEXT: says and hears
ask() { say "$1" "$3"; hear "$1" "$2"; }
hang() {
    local r=${READ[$1]:-} w=${WRITE[$1]:-}
    [ -n "$r" ] && exec {r}<&-
    [ -n "$w" ] && [ "$w" != "$r" ] && exec {w}>&-
    [ -z "${AGENT[$1]:-}" ] || { kill "${AGENT[$1]}"; wait "${AGENT[$1]}"; } 2>/dev/null
    unset "READ[$1]" "WRITE[$1]" "AGENT[$1]"
}
# logged REGEX [SECONDS]: the last line of the log that matches, waited for; in LINE
logged() {
    for _ in $(seq $((${2:-5} * 10))); do
        LINE=$(grep -aE -- "$1" "$LOG" | tail -n 1)
        [ -n "$LINE" ] && return 0
        sleep 0.1
    done
    LINE="(no line like /$1/ in the log; its end:)
$(tail -n 5 "$LOG")"
    return 1
}
# sessions UID: how many imapd processes of that user there are
sessions() { pgrep -c -u "$1" -x imapd; }
