# shellcheck shell=bash
# Courier's proxy, by which accounts are spread over hosts: imaplogin on one host hands a login on to the host of the account's
# "mailhost" option, where another imaplogin starts our imapd. Two addresses of the loopback network are the two hosts. Sourced by
# scripts/chain.

# mail_host ADDRESS PORT PROXY: a couriertcpd with the settings of /etc/courier/imapd, whose imaplogin takes the address for its name.
mail_host() {
    env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin sh -c 'set -a; . /etc/courier/imapd; IMAP_PROXY=$3 PROXY_HOSTNAME=$1 TCPDOPTS=
        exec couriertcpd -address="$1" -nodnslookup -noidentlookup -stderrlogger=/usr/sbin/courierlogger "$2" \
            /usr/lib/courier/courier/imaplogin /usr/bin/imapd Maildir' sh "$@" >/dev/null 2>&1 &
    PROXIES+=($!)
}
listens() { # listens ADDRESS PORT
    for _ in $(seq 50); do (exec 3<>"/dev/tcp/$1/$2") 2>/dev/null && return; sleep 0.1; done
    echo "couriertcpd does not listen on $1 port $2" >&2
    return 1
}

part_proxy() {
    echo "== proxy: a login on one host, the account on another"
    local c pid PROXIES=()
    serve_ours
    /usr/sbin/authdaemond start
    # imaplogin asks for the other host's port 143.
    account grace 5007 secret options=mailhost=127.0.0.3
    account heidi 5008 secret options=mailhost=127.0.0.2
    account ivan 5009 secret options=mailhost=127.0.0.4
    deliver grace . 1
    deliver heidi . 2
    mail_host 127.0.0.2 1143 1
    mail_host 127.0.0.3 143 1
    ok "the host of the login starts" listens 127.0.0.2 1143
    ok "the host of the account starts" listens 127.0.0.3 143

    dial plain 1143 127.0.0.2; c=$C
    hear "$c" '^\* OK'; login "$c" grace secret; like "a login is handed on" '^a OK ' "$HEARD"
    logged 'Proxy connected to 127.0.0.3'; like "the log: connected to the other host" 'Proxy connected to 127\.0\.0\.3' "$LINE"
    pid=$(pgrep -u 5007 -x imapd)
    ok "there our imapd serves the account" cmp "$IMAPD" "/proc/${pid:-none}/exe"
    ask "$c" '^b ' 'b SELECT INBOX'; like "SELECT through the proxy" '\* 1 EXISTS.*b OK' "$HEARD"
    ask "$c" '^c ' 'c FETCH 1 BODY.PEEK[TEXT]'; like "FETCH through the proxy" 'This is message number 1' "$HEARD"
    ask "$c" '^\+ ' 'd IDLE'
    deliver grace . 3
    hear "$c" '^\* 2 EXISTS'; like "a delivery is told in IDLE through the proxy" '\* 2 EXISTS' "$HEARD"
    ask "$c" '^d ' 'DONE'
    ask "$c" '^e ' 'e LOGOUT'; like "LOGOUT through the proxy" 'BYE.*e OK' "$HEARD"
    hang "$c"
    logged 'imapd: LOGOUT, user=grace'; like "the log: LOGOUT, by the host of the account" 'LOGOUT, user=grace, ip=\[::ffff:127' "$LINE"

    dial plain 1143 127.0.0.2; c=$C
    hear "$c" '^\* OK'; login "$c" heidi secret; like "an account of this host is served here" '^a OK ' "$HEARD"
    ask "$c" '^b ' 'b SELECT INBOX'; like "with its mail" '\* 1 EXISTS.*b OK' "$HEARD"
    hang "$c"
    dial plain 1143 127.0.0.2; c=$C
    hear "$c" '^\* OK'; login "$c" ivan secret; like "an account of a host that is down is refused" '^(a NO|\* BYE)' "$HEARD"
    logged 'proxyhost 127.0.0.4 failed'; like "the log says which host" 'proxyhost 127\.0\.0\.4 failed' "$LINE"
    hang "$c"
    kill "${PROXIES[@]}"
    /usr/sbin/authdaemond stop
}
