# shellcheck shell=bash
# Libraries, each with a program beside this file that uses it: about_NAME and test_NAME. Sourced by scripts/clients.

# debian_version PACKAGE: the version of an installed package, without Debian's revision
debian_version() { dpkg-query -W -f '${Version}' "$1" | sed 's/^[0-9]*://; s/-[^-]*$//; s/[+~]ds.*//'; }
py() { PYTHONPATH=$DO/python timeout 240 python3 -B "tests/clients/$1"; }
py_version() { python3 -c "import sys; sys.path.insert(0, '$DO/python'); import $1; from importlib.metadata import version; print(version('$2'))" 2>/dev/null; }
about_imaplib() { command -v python3 >/dev/null && echo "Python imaplib|$(python3 -c 'import platform; print(platform.python_version())')|folders, search, fetch, store, copy, append, expunge, sort, thread, quota, rights"; }
test_imaplib() { py use_imaplib.py; is "left" 20 "$(disk .)"; uses MOVE; }
about_imaplib_tls() { command -v python3 >/dev/null && echo "Python imaplib, STARTTLS|$(python3 -c 'import platform; print(platform.python_version())')|the same behind STARTTLS and AUTHENTICATE PLAIN"; }
test_imaplib_tls() { TLS=1 py use_imaplib.py; }
about_imaplib_tunnel() { command -v python3 >/dev/null && echo "Python imaplib, IMAP4_stream|$(python3 -c 'import platform; print(platform.python_version())')|the same on a program's pipes (PREAUTH)"; }
test_imaplib_tunnel() { TUNNEL=$(tunnel) py use_imaplib.py; uses MOVE; }
about_imapclient() { local v; v=$(py_version imapclient IMAPClient) && echo "imapclient (Python)|$v|folders, search with character sets, envelopes, structures, keywords, UID EXPUNGE, sort, thread, quota, idle with a delivery, what changed since"; }
test_imapclient() { py use_imapclient.py; uses ID MOVE MULTIAPPEND CONDSTORE; }
about_aioimaplib() { local v; v=$(py_version aioimaplib aioimaplib) && echo "aioimaplib (Python)|$v|search, fetch, flags, copy, append, expunge, idle with a delivery"; }
test_aioimaplib() { py use_aioimaplib.py; uses ID MOVE; }
about_imap_tools() { local v; v=$(py_version imap_tools imap-tools) && echo "imap-tools (Python)|$v|folders, queries, attachments, flags, copies, moves, deletions"; }
test_imap_tools() { py use_imap_tools.py; }
about_imapflow() { local v; v=$(node -p "require('$DO/node/node_modules/imapflow/package.json').version" 2>/dev/null) && echo "imapflow (Node)|$v|tree, search, structures, download of a part, flags, copy, move, append, idle with a delivery, what changed since"; }
test_imapflow() { NODE_PATH=$DO/node/node_modules timeout 240 node tests/clients/use_imapflow.js; uses ID COMPRESS LIST-STATUS SPECIAL-USE MOVE BINARY WITHIN CONDSTORE QRESYNC; }
about_node_imap() { local v; v=$(node -p "require('$DO/node/node_modules/imap/package.json').version" 2>/dev/null) && echo "node-imap (Node)|$v|search, streams of headers and texts, flags, copy, move, append, idle with a delivery, expunge, what changed since"; }
test_node_imap() { NODE_PATH=$DO/node/node_modules timeout 240 node tests/clients/use_node_imap.js; uses ID MOVE ESEARCH CONDSTORE; }
about_imapfilter() { command -v imapfilter >/dev/null && echo "imapfilter|$(imapfilter -V 2>&1 | sed -n 's/^IMAPFilter \([0-9.]*\).*/\1/p')|search, flags, copies, moves to an old and a new folder, deletions, body search"; }
test_imapfilter() { timeout 240 imapfilter -c tests/clients/use_imapfilter.lua; is "left" 17 "$(disk .)"; }
about_mail_imapclient() { local v; v=$(perl -MMail::IMAPClient -e 'print Mail::IMAPClient->VERSION' 2>/dev/null) && echo "Mail::IMAPClient (Perl, imapsync's)|$v|folders, search, headers, envelope, structure, flags, copy, move, append, sort, thread, quota, rights"; }
test_mail_imapclient() { timeout 240 perl tests/clients/use_mail_imapclient.pl; is "left" 19 "$(disk .)"; uses COMPRESS; }
about_roundcube() {
    local lib=$DO/roundcube/usr/share/roundcube/program/lib/Roundcube
    command -v php >/dev/null && [ -f "$lib/rcube_imap_generic.php" ] &&
        echo "Roundcube's IMAP library (PHP)|$(ls "$TARGET"/debs/roundcube-core_*.deb | sed 's/.*core_\([0-9.]*\).*/\1/')|list, status, search, sort, thread, headers with structures, parts, flags, copy, move, append, quota, rights, what changed since"
}
test_roundcube() {
    ROUNDCUBE=$DO/roundcube/usr/share/roundcube/program/lib/Roundcube timeout 240 php tests/clients/use_roundcube.php
    is "left" 19 "$(disk .)"
    uses ID ESEARCH SORT=DISPLAY LIST-EXTENDED SPECIAL-USE CREATE-SPECIAL-USE METADATA BINARY MOVE CONDSTORE QRESYNC
}

about_php_imap() {
    php -m 2>/dev/null | grep -q '^imap$' &&
        echo "PHP's imap (c-client)|$(php -r 'echo PHP_VERSION;')|folders, overview, search, sort, thread, structure, a part, flags, copy, move, append, expunge, quota, rights, new mail told by NOOP"
}
test_php_imap() { timeout 240 php tests/clients/use_php_imap.php; day_done 1 1; }
about_horde() {
    [ -d /usr/share/php/Horde/Imap ] &&
        echo "Horde_Imap_Client (PHP)|$(debian_version php-horde-imap-client)|folders, search, sort, thread, structure, a part, flags, keywords, copy, move, append, UID EXPUNGE, quota, rights, a cache that is brought up to date"
}
test_horde() {
    timeout 240 php tests/clients/use_horde.php
    day_done 2 1
    uses ID ESEARCH ESORT SORT=DISPLAY LIST-EXTENDED LIST-STATUS SPECIAL-USE CREATE-SPECIAL-USE METADATA BINARY MULTIAPPEND CATENATE MOVE CONDSTORE QRESYNC
}
about_net_imap() {
    local v; v=$(ruby -e 'require "net/imap"; puts Net::IMAP::VERSION' 2>/dev/null) &&
        echo "net-imap (Ruby)|$v|folders, search, envelope, structure, a part, flags, copy, append, expunge, sort, thread, quota, rights, idle with a delivery"
}
test_net_imap() { timeout 240 ruby tests/clients/use_net_imap.rb; day_done 2 1; uses ID MOVE; }
JAVAMAIL=/usr/share/java/jakarta-mail.jar
about_javamail() {
    command -v javac >/dev/null && [ -f "$JAVAMAIL" ] &&
        echo "JavaMail (Jakarta Mail)|$(debian_version libjakarta-mail-java)|folders, search, envelope, structure, a part, flags, copy, append, expunge, quota, rights, idle with a delivery, a folder opened again"
}
test_javamail() {
    timeout 240 java -cp "$JAVAMAIL:$(echo /usr/share/java/*activation*.jar | tr ' ' :)" tests/clients/UseJavaMail.java
    day_done 2 1
    uses ID COMPRESS MOVE CONDSTORE QRESYNC
}
GOSOURCES=/usr/share/gocode/src
about_go_imap() {
    command -v go >/dev/null && [ -d "$GOSOURCES/github.com/emersion/go-imap" ] &&
        echo "go-imap (Go)|$(debian_version golang-github-emersion-go-imap-dev)|folders, search, envelope, structure, a part, flags, copy, move, append, expunge, idle with a delivery"
}
test_go_imap() {
    GO111MODULE=off GOPATH=${GOSOURCES%/src} GOCACHE=$DO/go GOFLAGS=-p=2 go build -o "$DO/use_go_imap" tests/clients/use_go_imap.go
    timeout 240 "$DO/use_go_imap"
    day_done 2 1
    uses MOVE
}

# crate_version NAME: the version that Cargo.lock pins
crate_version() { sed -n "/^name = \"$1\"/ { n; s/.*\"\(.*\)\".*/\1/p }" tests/clients/rust/Cargo.lock; }
about_rust_imap() { [ -x "$DO/rust-build/debug/use_imap" ] && echo "imap (Rust)|$(crate_version imap)|folders, search, envelope, structure, a part, flags, copy, move, append, quota, rights, idle with a delivery"; }
test_rust_imap() { timeout 240 "$DO/rust-build/debug/use_imap"; day_done 2 1; uses MOVE LIST-STATUS METADATA; }
about_async_imap() { [ -x "$DO/rust-build/debug/use_async_imap" ] && echo "async-imap (Rust)|$(crate_version async-imap)|folders, search, envelope, structure, a part, flags, copy, move, append, quota, idle with a delivery, what changed since"; }
test_async_imap() { timeout 240 "$DO/rust-build/debug/use_async_imap"; day_done 2 1; uses ID MOVE METADATA CONDSTORE; }
