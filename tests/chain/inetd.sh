# shellcheck shell=bash
# Other ways to be started: inetd, xinetd, systemd, tunnels. Sourced by scripts/chain.

part_inetd() {
    echo "== inetd: inetd, xinetd, systemd, tunnels"
    local home=$W/home/frank n run
    account frank 5006 frank
    for n in 1 2; do deliver frank . $n; done
    local program=/usr/bin/imapd
    if [ -n "$OURS" ]; then
        # The checkout may lie where other accounts may not go (/root).
        program=$W/imapd
        cp "$IMAPD" "$program"
    fi

    talk() { # talk NAME PORT: a PREAUTH session that works
        local c n
        for n in $(seq 50); do (exec 3<>"/dev/tcp/127.0.0.1/$2") 2>/dev/null && break; sleep 0.1; done
        sleep 0.3
        dial plain "$2" || { fail "$1" "no connection"; return; }
        c=$C
        hear "$c" 'PREAUTH' || { fail "$1: PREAUTH" "$HEARD"; hang "$c"; return; }
        ask "$c" '^a ' 'a SELECT INBOX'
        like "$1" '\* 2 EXISTS' "$HEARD"
        ask "$c" '^b ' 'b LOGOUT'; like "$1: LOGOUT" 'b OK' "$HEARD"
        hang "$c"
    }

    for n in openbsd-inetd xinetd; do
        local file; file=$(deb $n)
        [ -n "$file" ] || { skip "$n" "the package cannot be had"; continue; }
        dpkg -x "$file" "$W/$n"
        run=$(echo "$W/$n"/usr/sbin/*inetd)
        if ldd "$run" | grep -q 'not found'; then skip "$n" "a library is missing:$(ldd "$run" | awk '/not found/ { printf " %s", $1 }')"; continue; fi
        case $n in
        openbsd-inetd)
            sed -e "s|@PORT@|127.0.0.1:14147|; s|@USER@|frank|; s|@IMAPD@|$program|; s|@MAILDIR@|$home/Maildir|" scripts/samples/inetd/inetd.conf |
                grep -v '^#' >"$W/inetd.conf"
            "$run" -d "$W/inetd.conf" >/dev/null 2>"$W/inetd.log" &
            talk "openbsd-inetd with scripts/samples/inetd/inetd.conf" 14147
            ;;
        xinetd)
            sed -e "s|@PORT@|14148|; s|@USER@|frank|; s|@IMAPD@|$program|; s|@MAILDIR@|$home/Maildir|" scripts/samples/inetd/xinetd.conf >"$W/xinetd.conf"
            "$run" -dontfork -f "$W/xinetd.conf" -pidfile "$W/xinetd.pid" >/dev/null 2>"$W/xinetd.log" &
            talk "xinetd with scripts/samples/inetd/xinetd.conf" 14148
            ;;
        esac
        kill $!
        wait $! 2>/dev/null
    done

    if command -v systemd-socket-activate >/dev/null; then
        (cd "$home" && exec setpriv --reuid 5006 --regid 5006 --clear-groups systemd-socket-activate --inetd -a -E AUTHENTICATED=frank -E IMAP_KEYWORDS=1 \
            -l 127.0.0.1:14149 "$program" "$home/Maildir") >/dev/null 2>&1 &
        talk "systemd-socket-activate --inetd" 14149
        kill $!
        wait $! 2>/dev/null
    else
        skip "systemd-socket-activate --inetd" "systemd is not installed"
    fi
    if command -v systemd-analyze >/dev/null; then
        # The user that the sample runs as exists only where it is installed for real.
        mkdir -p "$W/units"
        for n in scripts/samples/systemd/*; do sed "s|/usr/lib/postrider/imapd|$program|" "$n" >"$W/units/$(basename "$n")"; done
        ok "the sample units are well-formed" systemd_verify "$W/units"
    else
        skip "the sample units" "systemd is not installed"
    fi

    (cd "$home" && exec setpriv --reuid 5006 --regid 5006 --clear-groups couriertcpd -address=127.0.0.1 -nodnslookup -noidentlookup "-stderr=$home/tcpd.log" 14150 "$program" ./Maildir) 2>/dev/null &
    talk "couriertcpd alone" 14150
    kill $!; wait $! 2>/dev/null
    (cd "$home" && exec socat TCP-LISTEN:14151,bind=127.0.0.1,reuseaddr,fork \
        EXEC:"setpriv --reuid 5006 --regid 5006 --clear-groups env -i AUTHENTICATED=frank $program ./Maildir") 2>/dev/null &
    talk "a tunnel (socat, a socket pair)" 14151
    kill $!; wait $! 2>/dev/null
    (cd "$home" && exec socat TCP-LISTEN:14152,bind=127.0.0.1,reuseaddr,fork \
        EXEC:"setpriv --reuid 5006 --regid 5006 --clear-groups env -i AUTHENTICATED=frank $program ./Maildir",pipes) 2>/dev/null &
    talk "a tunnel (pipes, as ssh gives)" 14152
    kill $!; wait $! 2>/dev/null
    local out
    out=$(cd "$home" && printf 'a SELECT INBOX\r\nb FETCH 1 FLAGS\r\n' | setpriv --reuid 5006 --regid 5006 --clear-groups env -i AUTHENTICATED=frank "$program" ./Maildir 2>"$W/pipe.log")
    like "commands from a file: every answer, then the end" 'b OK' "$out"
    like "and the log says so" 'INFO: DISCONNECTED, user=frank, ip=\[127\.0\.0\.1\], port=\[0\]' "$(cat "$W/pipe.log")"
}

# What systemd itself says of the units; words about anything else on this machine do not count.
systemd_verify() {
    local said
    said=$(systemd-analyze verify "$1"/*.socket 2>&1 | grep -i postrider | grep -vi 'man page')
    [ -z "$said" ] || { echo "$said"; return 1; }
}
