# shellcheck shell=bash
# A machine of its own for tests with Courier's real programs: private mounts (whatever is written below /usr, /etc and /var stays in
# memory and vanishes), a private network with only the loopback address, and a private table of processes, all of which end with it.
# Sourced by scripts/chain and scripts/clients, after scripts/lib/common.sh: enter "$@"; machine; accounts; service start.
# shellcheck source=tests/chain/talk.sh
. "$ROOT/tests/chain/talk.sh"

passed=0 failed=0 skipped=0
pass() { passed=$((passed + 1)); printf 'pass  %s\n' "$1"; }
fail() { failed=$((failed + 1)); printf 'FAIL  %s\n' "$1"; [ $# -lt 2 ] || printf '%s\n' "$2" | tail -n "${STORY:-25}" | cut -c 1-300 | sed 's/^/      | /'; }
skip() { skipped=$((skipped + 1)); printf 'skip  %s: %s\n' "$1" "$2"; }
# ok NAME COMMAND...: passes when the command does; what it printed is the story of a failure
ok() { local name=$1 story; shift; if story=$("$@" 2>&1); then pass "$name"; else fail "$name" "$story"; fi; }
# same NAME WANTED FOUND
same() { if [ "$2" = "$3" ]; then pass "$1"; else fail "$1" "wanted: $2"$'\n'"found:  $3"; fi; }
# like NAME REGEX TEXT
like() { if [[ $3 =~ $2 ]]; then pass "$1"; else fail "$1" "wanted: $2"$'\n'"found:  $3"; fi; }
closing() {
    printf '%s passed, %s failed, %s skipped\n' "$passed" "$failed" "$skipped"
    [ "$failed" = 0 ]
}

# Why the machine cannot be had here, or nothing.
obstacle() {
    [ "$(uname -s)" = Linux ] || { echo "this is not Linux"; return; }
    [ "$(id -u)" = 0 ] || { echo "it must be run as root"; return; }
    local missing=
    want couriertcpd courier-imap && want makeuserdb courier-authlib-userdb || missing="$missing courier-imap courier-authlib-userdb"
    want socat socat || missing="$missing socat"
    want openssl openssl || missing="$missing openssl"
    want ip iproute2 || missing="$missing iproute2"
    want unshare util-linux || missing="$missing util-linux"
    [ -z "$missing" ] || { echo "not installed:$missing"; return; }
    unshare --mount --pid --net --fork --mount-proc --kill-child sh -c 'mount -t tmpfs none /mnt' 2>/dev/null ||
        echo "this machine allows no private mounts (unshare)"
}

# enter "$@": runs this script again, with the same arguments, inside the private machine; returns only there. W is its scratch directory.
enter() {
    [ "${CHAIN_INSIDE:-}" = 1 ] && { W=$CHAIN_W; return; }
    local dir status
    dir=$(mktemp -d "${TMPDIR:-/tmp}/postrider-chain.XXXXXX") || exit 2
    # --kill-child and the private table of processes: when this ends, however it ends, everything below it has ended.
    trap 'kill "$inside" 2>/dev/null' INT TERM
    CHAIN_INSIDE=1 CHAIN_W=$dir unshare --mount --pid --net --fork --mount-proc --kill-child "$BASH" "$ROOT/scripts/${0##*/}" "$@" &
    inside=$!
    wait "$inside"
    status=$?
    wait "$inside" 2>/dev/null
    rmdir "$dir"
    exit "$status"
}

# The private machine, once inside.
machine() {
    mount --make-rprivate /
    mount -t tmpfs -o mode=711 none "$W"
    ip link set lo up
    local d
    for d in usr etc var; do
        mkdir -p "$W/over/$d" "$W/work/$d"
        mount -t overlay overlay -o "lowerdir=/$d,upperdir=$W/over/$d,workdir=$W/work/$d" "/$d" || return 1
    done
    mkdir -p /run/courier
    mount -t tmpfs none /run/courier
    mkdir -p /run/courier/authdaemon
    chown courier:courier /run/courier /run/courier/authdaemon
    chmod 750 /run/courier/authdaemon
    # /dev/log, where courierlogger writes, ends in a file of ours.
    mkdir -p "$W/dev"
    mount -t tmpfs -o mode=755 none "$W/dev"
    for d in null zero full random urandom tty; do : >"$W/dev/$d"; mount --bind "/dev/$d" "$W/dev/$d"; done
    mkdir "$W/dev/pts" "$W/dev/shm"
    mount -t devpts -o newinstance,ptmxmode=0666 devpts "$W/dev/pts" && ln -s pts/ptmx "$W/dev/ptmx"
    mount -t tmpfs -o mode=1777 none "$W/dev/shm"
    ln -s /proc/self/fd "$W/dev/fd"; ln -s fd/0 "$W/dev/stdin"; ln -s fd/1 "$W/dev/stdout"; ln -s fd/2 "$W/dev/stderr"
    mount --rbind "$W/dev" /dev
    LOG=$W/mail.log
    : >"$LOG"
    # Datagrams have no line ends; each begins with its level: <22>Nov 22 ...
    socat -u UNIX-RECV:/dev/log,mode=666 STDOUT 2>/dev/null | stdbuf -o0 tr '<' '\n' >>"$LOG" &
    # An address book without strangers: no name is looked up on any network.
    printf '127.0.0.1 localhost %s\n' "$(uname -n)" >/etc/hosts
    echo 'hosts: files' >/etc/nsswitch.conf.hosts
    grep -v '^hosts:' /etc/nsswitch.conf >>/etc/nsswitch.conf.hosts 2>/dev/null
    mv /etc/nsswitch.conf.hosts /etc/nsswitch.conf
    # A certificate that clients can check, for "localhost" and 127.0.0.1.
    openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext 'subjectAltName=DNS:localhost,IP:127.0.0.1' \
        -keyout "$W/key.pem" -out "$W/cert.pem" 2>/dev/null
    cat "$W/key.pem" "$W/cert.pem" >/etc/courier/imapd.pem
    chown root:courier /etc/courier/imapd.pem
    chmod 640 /etc/courier/imapd.pem
    sed -i 's/^ADDRESS=.*/ADDRESS=127.0.0.1/; s/^SSLADDRESS=.*/SSLADDRESS=127.0.0.1/' /etc/courier/imapd /etc/courier/imapd-ssl
    sed -i 's/^authmodulelist=.*/authmodulelist="authuserdb"/' /etc/courier/authdaemonrc
}

# account NAME UID PASSWORD [FIELD=VALUE...]: a user of the userdb, with a home directory and a Maildir below $W/home
account() {
    local name=$1 uid=$2 password=$3 home=$W/home/$1
    shift 3
    mkdir -p "$home"
    chmod 711 "$W/home"
    [ -d "$home/Maildir" ] || maildirmake.courier "$home/Maildir"
    chown -R "$uid:$uid" "$home"
    chmod 700 "$home"
    [ -f /etc/courier/userdb ] || { : >/etc/courier/userdb; chmod 600 /etc/courier/userdb; }
    # Courier's notification library, and inetd, want a name for the number; the password is the userdb's.
    echo "$name:x:$uid:$uid::$home:/bin/sh" >>/etc/passwd
    echo "$name:x:$uid:" >>/etc/group
    userdb "$name" set "uid=$uid" "gid=$uid" "home=$home" "$@"
    echo "$password" | userdbpw -md5 | userdb "$name" set systempw
    makeuserdb
}

# setting NAME VALUE: a line of /etc/courier/imapd
setting() {
    sed -i "/^$1=/d" /etc/courier/imapd
    printf '%s="%s"\n' "$1" "$2" >>/etc/courier/imapd
}

# service start|stop: authdaemond and both listeners, by the start scripts of the package
service() {
    case $1 in
    start)
        /usr/sbin/authdaemond start
        /usr/sbin/imapd start
        /usr/sbin/imapd-ssl start
        local n
        for n in $(seq 100); do
            [ -S /run/courier/authdaemon/socket ] && (exec 3<>/dev/tcp/127.0.0.1/143) 2>/dev/null &&
                (exec 3<>/dev/tcp/127.0.0.1/993) 2>/dev/null && return 0
            sleep 0.1
        done
        echo "Courier's services did not start" >&2
        return 1
        ;;
    stop)
        /usr/sbin/imapd-ssl stop
        /usr/sbin/imapd stop
        /usr/sbin/authdaemond stop
        ;;
    esac
}

# deliver NAME FOLDER N [SIZE]: message number N of that user, as a delivery program does it. FOLDER is a directory's name, . for the inbox.
deliver() {
    local dir=$W/home/$1/Maildir/$2 uid name
    uid=$(stat -c %u "$W/home/$1")
    folder "$dir" "$uid"
    name=$((1700000000 + $3)).M$3P1_0.chain
    message "$1" "$3" >"$dir/tmp/$name"
    [ -z "${4:-}" ] || { head -c "$4" /dev/zero | tr '\0' x | fold -w 70; echo; } >>"$dir/tmp/$name"
    chown "$uid:$uid" "$dir/tmp/$name"
    mv "$dir/tmp/$name" "$dir/new/$name"
}
# fill NAME FOLDER FIRST LAST: the same for many messages, quickly, in a folder that nobody looks at yet
fill() {
    local dir=$W/home/$1/Maildir/$2 uid n
    uid=$(stat -c %u "$W/home/$1")
    folder "$dir" "$uid"
    for ((n = $3; n <= $4; n++)); do message "$1" "$n" >"$dir/new/$((1700000000 + n)).M${n}P1_0.chain"; done
    chown -R "$uid:$uid" "$dir/new"
}
folder() { # folder DIR UID
    [ -d "$1" ] || { maildirmake.courier "$1" && touch "$1/maildirfolder" && chown -R "$2:$2" "$1"; }
}
message() { # message NAME N
    printf 'From: Sender %s <sender%s@example.com>\nTo: %s@example.com\nSubject: message %s\nMessage-ID: <%s@chain.example>\nDate: Tue, 14 Nov 2023 22:%02d:00 +0000\nMIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\n\nThis is message number %s.\nWith a second line.\n' \
        "$2" "$2" "$1" "$2" "$2" $(($2 % 60)) "$2"
}
