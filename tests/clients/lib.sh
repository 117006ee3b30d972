# shellcheck shell=bash
# shellcheck disable=SC2154 # chosen, DO, NEXT and ROWS are of scripts/clients
# What every client's test uses: the packages, an account with mail, a tunnel, and what a client said. Sourced by scripts/clients.

have() { command -v "$1" >/dev/null 2>&1; }
chosen_is() { case " ${chosen[*]} " in *" $1 "*) ;; *) return 1 ;; esac; }
# Everything that needs the network of the real machine happens before the private one is entered.
fetch_packages() {
    local debian=() c package
    for c in "${chosen[@]}"; do
        case $c in
        mbsync*) have mbsync || debian+=(isync) ;;
        interimap) have interimap || debian+=(interimap) ;;
        offlineimap) have offlineimap || debian+=(offlineimap3) ;;
        mutt*) have mutt || debian+=(mutt) ;;
        neomutt | alpine | fetchmail | curl | imapfilter | aerc) have "$c" || debian+=("$c") ;;
        getmail) have getmail || debian+=(getmail6) ;;
        imaplib*) have python3 || debian+=(python3) ;;
        imapclient | aioimaplib | imap_tools) have pip3 || debian+=(python3-pip) ;;
        imapflow | node_imap) have npm || debian+=(npm) ;;
        mail_imapclient) perl -MMail::IMAPClient -e 1 2>/dev/null || debian+=(libmail-imapclient-perl) ;;
        roundcube) php -m 2>/dev/null | grep -q mbstring || debian+=(php-cli php-mbstring) ;;
        php_imap) php -m 2>/dev/null | grep -q '^imap$' || debian+=(php-cli php-imap) ;;
        horde) [ -d /usr/share/php/Horde/Imap ] || debian+=(php-cli php-horde-imap-client) ;;
        net_imap) have ruby || debian+=(ruby) ;;
        javamail)
            have javac || debian+=(default-jdk-headless)
            [ -f "$JAVAMAIL" ] || debian+=(libjakarta-mail-java)
            ;;
        s_nail) have s-nail || debian+=(s-nail) ;;
        gnus) have emacs || debian+=(emacs-nox) ;;
        meli) [ -x "$DO/meli/bin/meli" ] || pkg-config --exists openssl zlib 2>/dev/null || debian+=(pkg-config libssl-dev zlib1g-dev) ;;
        thunderbird) have thunderbird && have xvfb-run && have dbus-run-session || debian+=(thunderbird xvfb xauth dbus) ;;
        evolution)
            have evolution && have xvfb-run && have xdotool && have openbox && have secret-tool && have gnome-keyring-daemon ||
                debian+=(evolution xvfb xauth dbus xdotool openbox gnome-keyring libsecret-tools)
            ;;
        geary)
            have geary && have xvfb-run && have xdotool && have openbox && have gdbus && have secret-tool && have gnome-keyring-daemon ||
                debian+=(geary xvfb xauth dbus xdotool openbox libglib2.0-bin gnome-keyring libsecret-tools)
            ;;
        go_imap)
            have go || debian+=(golang-go)
            [ -d "$GOSOURCES/github.com/emersion/go-imap" ] || debian+=(golang-github-emersion-go-imap-dev)
            ;;
        esac
    done
    [ ${#debian[@]} = 0 ] || install_packages "${debian[@]}"
    mkdir -p "$DO"
    if [ "${SKIP_INSTALL:-}" != 1 ]; then
        if chosen_is "imapclient" || chosen_is "aioimaplib" || chosen_is "imap_tools"; then
            [ -d "$DO/python/imapclient" ] || timeout 120 pip3 install -q --target "$DO/python" -r tests/clients/requirements.txt >"$DO/pip.log" 2>&1
        fi
        if chosen_is imapflow || chosen_is node_imap; then
            mkdir -p "$DO/node"
            cp tests/clients/package.json "$DO/node/"
            [ -d "$DO/node/node_modules/imapflow" ] || (cd "$DO/node" && timeout 120 npm install --no-audit --no-fund --silent >"$DO/npm.log" 2>&1)
        fi
        if chosen_is roundcube; then
            package=$(deb roundcube-core)
            [ -d "$DO/roundcube" ] || [ -z "$package" ] || dpkg -x "$package" "$DO/roundcube"
        fi
        if chosen_is rust_imap || chosen_is async_imap; then
            build_client rust --manifest-path tests/clients/rust/Cargo.toml
        fi
        # Without jmap it does not build.
        chosen_is himalaya && build_client himalaya himalaya@2.0.0 --no-default-features --features imap,smtp,jmap,rustls-ring
        # A quick build will do for what it does here.
        chosen_is meli && build_client meli meli@0.9.0 --no-default-features --config profile.release.opt-level=1
        true
    fi
}

# build_client NAME CARGO-OPTION...: builds tests/clients/rust, or a crate of that name, below $DO/NAME; minutes, the first time
build_client() {
    local name=$1 work=install; shift
    have cargo || { note "$name wants cargo"; return; }
    if [ "$name" = rust ]; then work=build; else [ ! -x "$DO/$name/bin/$name" ] || return 0; set -- --root "$DO/$name" "$@"; fi
    note "building the client $name"
    CARGO_TARGET_DIR=$DO/$name-build timeout 2400 cargo $work -q --locked "$@" >"$DO/$name.log" 2>&1 || note "that failed: see $DO/$name.log"
}

# box NAME [COUNT]: an account NAME (password: secret) with COUNT messages (20) in the inbox, ten in Work; the fifth is a multipart.
box() {
    NEXT=$((NEXT + 1))
    MAIL=$W/home/$1/Maildir
    account "$1" $NEXT secret
    fill "$1" . 1 "${2:-20}"
    fill "$1" .Work 101 110
    cat >"$W/home/$1/Maildir/new/1700000005.M5P1_0.chain" <<'MESSAGE'
From: =?utf-8?Q?J=C3=B6rg?= <joerg@example.com>
To: alice@example.com
Subject: =?utf-8?Q?Gr=C3=BC=C3=9Fe?= aus =?utf-8?Q?M=C3=BCnchen?=
Message-ID: <5@chain.example>
Date: Tue, 14 Nov 2023 22:05:00 +0000
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary="cut"

--cut
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: quoted-printable

Sch=C3=B6ne Gr=C3=BC=C3=9Fe.
This is message number 5.

--cut
Content-Type: application/octet-stream; name="six.bin"
Content-Disposition: attachment; filename="six.bin"
Content-Transfer-Encoding: base64

AAECAwQF

--cut--
MESSAGE
    printf 'INBOX\nINBOX.Work\n' >"$W/home/$1/Maildir/courierimapsubscribed"
    chown -R $NEXT:$NEXT "$W/home/$1/Maildir"
    MAILUSER=$1 MAILPASS=secret PORT=1430 PLAINPORT=143 TLSPORT=993 CERT=$W/cert.pem HOME=$W/user/$1
    mkdir -p "$HOME"
    NEWS=$HOME/news
    news_program
    SAID=$W/said
    # Not as MAIL, which some programs take for the file of their inbox.
    BOX=$MAIL
    export SAID NEWS BOX MAILUSER MAILPASS PORT PLAINPORT TLSPORT CERT HOME
}
# disk FOLDER: number of messages; flags FOLDER LETTER: number of messages with that flag
disk() { find "$MAIL/$1/cur" "$MAIL/$1/new" -type f | wc -l; }
flags() { find "$MAIL/$1/cur" -type f -name "*:2,*$2*" | wc -l; }
is() { [ "$2" = "$3" ] || { echo "$1: wanted $2, found $3"; return 1; }; }
# with_flag N LETTER: number of files of the Nth message with that flag; hex FILE: its bytes
with_flag() { find "$MAIL/cur" -type f -name "*M$1P1_0*:2,*$2*" | wc -l; }
hex() { od -An -tx1 "$1" | tr -d ' \n'; }
# The day's end: what use_*.{go,java,php,rb,rs} and the programs of a user leave behind. The sixth and the seventh message are
# flagged; the seventh is copied to the new folder Filed; the eighth is moved to Work, where one was uploaded; the ninth is deleted; Gone
# came and went; and a message came while the client waited.
day_done() { # day_done FLAGGED UPLOADED [INBOX]
    is "messages in the inbox" "${3:-19}" "$(disk .)"
    is "flagged in the inbox" "$1" "$(flags . F)"
    is "messages in Work" $((11 + $2)) "$(disk .Work)"
    is "messages in Filed" 1 "$(disk .Filed)"
    is "where the seventh is" "./ .Filed/" "$(where 'message 7')"
    is "where the eighth is" ".Work/" "$(where 'message 8')"
    is "where the ninth is" "" "$(where 'message 9')"
    is "where the news is" "./" "$(where news)"
    is "what Gone left behind" "" "$(find "$MAIL" -maxdepth 1 -name '.Gone*')"
}
# where SUBJECT: the folders that hold a message with that subject, each as often as it is there
where() {
    (cd "$MAIL" && { grep -rl "^Subject: $1\$" ./cur ./new .[A-Z]*/cur .[A-Z]*/new || true; }) |
        sed 's,\(cur\|new\)/[^/]*$,,; s,^\./\.,.,' | sort | paste -sd' '
}
# A program that wants a terminal.
terminal() { TERM=xterm timeout "${LIMIT:-180}" script -qec "stty rows 40 cols 120; $1" /dev/null; }
# The same with keys typed into it: at_terminal COMMAND, keys TEXT... (as printf has it; a pause follows), left.
at_terminal() {
    rm -f "$W/keys"
    mkfifo "$W/keys"
    : >"$W/screen"
    (exec <"$W/keys" >"$W/screen" 2>&1; LIMIT=${LIMIT:-90} terminal "$1") &
    exec {KEYS}>"$W/keys"
}
keys() { local text; for text; do printf "$text" >&$KEYS; sleep "${PAUSE:-0.3}"; done; }
left() { exec {KEYS}>&-; wait $! || true; }
# eventually NAME WANTED COMMAND...: what the command prints becomes what is wanted, within 30 seconds
eventually() {
    local name=$1 wanted=$2 n; shift 2
    for n in $(seq 300); do
        [ "$("$@" 2>&1)" != "$wanted" ] || return 0
        sleep 0.1
    done
    is "$name" "$wanted" "$("$@" 2>&1)" || { tail -c 3000 "$W/screen" 2>/dev/null | tr -dc '[:print:]\n'; return 1; }
}
# said REGEX: has the client said that (yes), to the recorder?
said() { if grep -aqE "$1" "$W/said"; then echo yes; else echo no; fi; }
# A message with the subject "news" comes, as a delivery program brings it. NEWS: a program that does it.
news() { "$NEWS"; }
news_program() {
    cat >"$NEWS" <<PROGRAM
#!/bin/sh
printf 'From: Herald <herald@example.com>\nSubject: news\nDate: Tue, 14 Nov 2023 23:00:00 +0000\n\nNews.\n' >$MAIL/tmp/news
chown $NEXT:$NEXT $MAIL/tmp/news
mv $MAIL/tmp/news $MAIL/new/1700009000.M1P1_0.chain
PROGRAM
    chmod 755 "$NEWS"
}
# meanwhile COMMAND...: another client does this in the inbox
meanwhile() {
    local c command
    dial plain; c=$C; hear "$c" '^\* OK'; ask "$c" '^a OK' "a LOGIN $MAILUSER secret"; ask "$c" '^b OK' 'b SELECT INBOX'
    for command; do ask "$c" '^c OK' "c $command"; done
    hang "$c"
}
# The command of a tunnel: our imapd over this user's Maildir. What the client says is in the session's own debug file.
tunnel() {
    local uid; uid=$(stat -c %u "$MAIL")
    install -o "$uid" -m 600 /dev/null "$MAIL/said"
    printf '#!/bin/sh\ncd %s\nexec setpriv --reuid %s --regid %s --clear-groups env -i AUTHENTICATED=%s IMAP_EXTENSIONS=%s IMAP_KEYWORDS=1 IMAP_ACL=1 IMAPDEBUGFILE=said IMAP_CAPABILITY="%s" %s ./Maildir 2>>%s\n' \
        "$(dirname "$MAIL")" "$uid" "$uid" "$MAILUSER" "$EXTENSIONS" \
        "$(sed -n 's/^IMAP_CAPABILITY="\(.*\)"/\1/p' /etc/courier/imapd)" /usr/bin/imapd "$W/tunnel.log" >"$W/tunnel"
    chmod 755 "$W/tunnel"
    echo "$W/tunnel"
}
# uses WORD...: the client has used these extensions; and none of them where the server has none.
uses() {
    local word list wanted=yes
    [ "$EXTENSIONS" != 0 ] || wanted=no
    list=" $(used) "
    for word; do is "used $word" "$wanted" "$(case $list in *" $word "*) echo yes ;; *) echo no ;; esac)"; done
}
# The debug file's tokens as lines again.
tokens() {
    LC_ALL=C awk '/^READ: (ATOM|NUMBER|QUOTED_STRING): / { sub(/^READ: [A-Z_]*: /, ""); printf "%s ", $0; next } /^READ: LPAREN/ { printf "("; next }
        /^READ: \{/ { printf "%s ", $2; next } /^(READ: EOL|WRITE)/ { print "" }' "$1"
}

# What a client's commands say about the capabilities that it used.
used() {
    local LC_ALL=C
    # Behind STARTTLS on the plain port nothing is recorded.
    [ "${1:-}" != imaplib_tls ] || { echo "STARTTLS AUTH=PLAIN SORT THREAD QUOTA ACL NAMESPACE"; return; }
    [ ! -s "$MAIL/said" ] || tokens "$MAIL/said" >>"$W/said"
    # The answers to AUTHENTICATE and the literals of APPEND are not commands; a command has a tag before its name.
    tr -d '\r' <"$W/said" | awk '
        function add(word) { if (!(word in seen)) { seen[word] = 1; list = list (list == "" ? "" : " ") word } }
        { line = toupper($0); name = toupper($2); if (name == "UID") name = "UID " toupper($3) }
        # After the first message of an APPEND its line goes on.
        /^\)? .*\{[0-9]+\+?\}$/ && appends && !catenate { add("MULTIAPPEND") }
        # The tags of go-imap are base64url.
        $1 !~ /^[A-Za-z0-9._*-]+$/ { next }
        name ~ /^(UID )?(SEARCH|SORT|THREAD|FETCH)$/ { appends = 0 }
        name == "APPEND" { appends = 1; catenate = line ~ / CATENATE \(/; if (catenate) add("CATENATE") }
        name == "ID" { add("ID") }
        name == "STARTTLS" { add("STARTTLS") }
        name == "AUTHENTICATE" { add("AUTH=" toupper($3)) }
        name == "NAMESPACE" { add("NAMESPACE") }
        name == "IDLE" { add("IDLE") }
        name == "ENABLE" { sub(/ +$/, "", line); add("ENABLE (" substr(line, index(line, "ENABLE") + 7) ")") }
        name == "UID EXPUNGE" { add("UIDPLUS") }
        name ~ /^(UID )?MOVE$/ { add("MOVE") }
        name == "UNSELECT" { add("UNSELECT") }
        name ~ /^(UID )?SORT$/ { add("SORT") }
        name ~ /^(UID )?THREAD$/ { add("THREAD") }
        name ~ /QUOTA/ { add("QUOTA") }
        name ~ /^(GETACL|SETACL|MYRIGHTS|LISTRIGHTS)$/ { add("ACL") }
        name == "COMPRESS" { add("COMPRESS") }
        name == "XLIST" { add("XLIST") }
        name == "LIST" && line ~ /RETURN \(|LIST \(/ { add("LIST-EXTENDED") }
        name == "LIST" && line ~ /RETURN \(.*STATUS \(/ { add("LIST-STATUS") }
        name == "LIST" && line ~ /SPECIAL-USE/ { add("SPECIAL-USE") }
        name == "CREATE" && line ~ / \(USE \(/ { add("CREATE-SPECIAL-USE") }
        name ~ /METADATA$/ { add("METADATA") }
        name ~ /SEARCH$/ && line ~ /RETURN \(/ { add("ESEARCH") }
        name ~ /SORT$/ && line ~ /RETURN \(/ { add("ESORT") }
        name ~ /SORT$/ && line ~ /\(.*DISPLAY(FROM|TO)/ { add("SORT=DISPLAY") }
        name ~ /SEARCH$/ && line ~ / (OLDER|YOUNGER) [0-9]/ { add("WITHIN") }
        name ~ /SEARCH$/ && line ~ /RETURN \(.*SAVE/ { add("SEARCHRES") }
        # What uses CONDSTORE (RFC 7162 3.1.8), and what uses QRESYNC.
        name ~ /^(SELECT|EXAMINE)$/ && line ~ /CONDSTORE/ { add("CONDSTORE") }
        name ~ /(FETCH|STORE|STATUS|LIST|SEARCH|SORT)$/ && line ~ /CHANGEDSINCE|MODSEQ/ { add("CONDSTORE") }
        name ~ /^(SELECT|EXAMINE)$/ && line ~ /\(QRESYNC \(/ { add("QRESYNC") }
        name == "UID FETCH" && line ~ /VANISHED/ { add("QRESYNC") }
        line ~ /BINARY(\.PEEK)?\[| ~\{[0-9]+\+?\}/ { add("BINARY") }
        name ~ /^[A-Z ]+$/ && line ~ /\{[0-9]+\+\}$/ { add("LITERAL+") }
        END { print list == "" ? "-" : list }'
}

# test_NAME does the work and fails where something is not as it must be; about_NAME: title, version, what was done.
run() {
    local name=$1 story title version what began=$SECONDS
    IFS='|' read -r title version what < <("about_$name" 2>/dev/null)
    if [ -z "$version" ]; then
        skip "$name" "it is not installed"
        return
    fi
    : >"$W/said"
    case $name in mbsync) box mbsync 1000 ;; mbsync_tunnel | offlineimap) box "${name//_/}" 200 ;; *) box "${name//_/}" ;; esac
    # Between client and server: what the client says is kept.
    local recorder result
    recorder=$(python3 tests/clients/recorder.py "$W/said" 1430 143)
    # At the first failing command the rest of a test is left out.
    story=$(set -eE; trap 'echo "(${BASH_SOURCE[0]##*/}:$LINENO)"' ERR; "test_$name" 2>&1)
    # shellcheck disable=SC2181
    if [ $? = 0 ]; then
        result=pass
        pass "$title $version ($((SECONDS - began)) s)"
    else
        result=FAIL
        fail "$title $version" "$story
-- said:
$(tail -n ${SAID_LINES:-15} "$W/said" | tr -d '\0')
-- log:
$(grep -av 'Connection, ip' "$LOG" | tail -n 4)"
    fi
    kill "$recorder"
    printf '| %s | %s | %s | %s | %s |\n' "$title" "$version" "$what" "$(used "$name")" "$result" >>"$ROWS"
}
