# shellcheck shell=bash
# Two mail hosts over one replicated GlusterFS volume. Each host has mounts, a network and a host name of its own, all inside the private
# machine of tests/chain/lib.sh: when that ends, however it ends, its processes, mounts, networks and files are gone.
# Sourced by scripts/cluster, after tests/chain/lib.sh: enter "$@"; cluster_up; on HOST COMMAND...

# Why the cluster cannot be had here, or nothing.
cluster_obstacle() {
    [ "$(uname -s)" = Linux ] || { echo "this is not Linux"; return; }
    [ "$(id -u)" = 0 ] || { echo "it must be run as root"; return; }
    local missing=
    want glusterd glusterfs-server && want mount.glusterfs glusterfs-client || missing="$missing glusterfs-server glusterfs-client"
    want ip iproute2 || missing="$missing iproute2"
    want unshare util-linux && want nsenter util-linux || missing="$missing util-linux"
    [ -z "$missing" ] || { echo "not installed:$missing"; return; }
    [ -c /dev/fuse ] || { echo "there is no /dev/fuse"; return; }
    unshare --mount --uts --pid --net --fork --mount-proc --kill-child sh -c 'mount -t tmpfs none /mnt && ip link add v1 type veth peer name v2' 2>/dev/null ||
        echo "this machine allows no private mounts and networks (unshare)"
}

# The volume is mounted at $W/mail on both hosts. HOST[N] is the process that holds host N's namespaces.
declare -A HOST
on() { local n=$1; shift; nsenter -t "${HOST[$n]}" -m -n -u -- "$@"; }
# until_true SECONDS COMMAND...
until_true() {
    local end=$((SECONDS + $1)); shift
    until "$@" >/dev/null 2>&1; do
        [ $SECONDS -lt $end ] || { echo "not within time: $*" >&2; return 1; }
        sleep 0.1
    done
}

cluster_up() {
    mount --make-rprivate /
    mount -t tmpfs -o mode=755 none "$W" && mkdir "$W/mail" "$W/hosts" && mount -t tmpfs none /run || return 1
    local n
    ip link add switch type bridge && ip link set switch up || return 1
    for n in 1 2; do host_up $n || return 1; done
    for n in 1 2; do cable_up $n && daemon_up $n || return 1; done
    for n in 1 2; do daemon_ready $n || return 1; done
    until_true 20 on 1 gluster --mode=script peer probe 10.99.0.2 &&
        until_true 20 peers_agree &&
        until_true 20 on 1 gluster --mode=script volume create mail replica 2 "10.99.0.1:$W/1/brick" "10.99.0.2:$W/2/brick" force &&
        on 1 gluster --mode=script volume start mail >/dev/null || return 1
    for n in 1 2; do volume_up $n || return 1; done
}
peers_agree() { on 1 gluster --mode=script peer status | grep -q 'Peer in Cluster (Connected)'; }

# host_up N: namespaces, the host name mailN, directories of its own for glusterd, and the programs in $W/hosts/N.
host_up() {
    local d=$W/$1
    mkdir -p "$d/lib" "$d/log" "$d/brick" "$W/hosts/$1" /var/lib/glusterd /var/log/glusterfs
    rm -f "$d/ready"
    unshare --mount --net --uts "$BASH" -c '
        mount --make-rprivate / && mount --bind "$2/lib" /var/lib/glusterd && mount --bind "$2/log" /var/log/glusterfs &&
            mount -t tmpfs none /run && mkdir -p /run/gluster /run/lock && hostname "mail$1" && ip link set lo up && : >"$2/ready"
        exec sleep infinity' host "$1" "$d" </dev/null &
    HOST[$1]=$!
    disown
    until_true 5 test -f "$d/ready" || return 1
    # Only what the program asks for is another time: the times of files come from the file system.
    # imapd: by --skew; apart: host 2 is five seconds ahead.
    local program clock ahead library
    library=$(find /usr/lib -name libfaketime.so.1 2>/dev/null | head -n 1)
    for program in "$IMAPD:imapd" "$IMAPD:apart" "${courier:-/usr/bin/imapd}:courier"; do
        clock='' ahead=${skew:-}
        [ "${program##*:}" != apart ] || ahead=5
        [ "$1" != 2 ] || [ -z "$ahead" ] || [ -z "$library" ] ||
            clock="env FAKETIME=$(printf %+d "$ahead")s NO_FAKE_STAT=1 LD_PRELOAD=libfaketime.so.1 LD_LIBRARY_PATH=${library%/*}"
        printf '#!/bin/sh\nexec nsenter -t %s -m -n -u -- /bin/sh -c '\''cd "$0" && exec %s %s "$@"'\'' "$PWD" "$@"\n' \
            "${HOST[$1]}" "$clock" "${program%:*}" >"$W/hosts/$1/${program##*:}"
        chmod 755 "$W/hosts/$1/${program##*:}"
    done
}
# A cable from each host to a switch: when one host dies, the other keeps its address.
cable_up() {
    ip link add "port$1" type veth peer name cable netns "${HOST[$1]}" && ip link set "port$1" master switch up &&
        on "$1" ip addr add "10.99.0.$1/24" dev cable && on "$1" ip link set cable up
}
daemon_up() { on "$1" setsid glusterd -N --log-level WARNING >"$W/$1/out" 2>&1 & }
daemon_ready() { until_true 60 on "$1" gluster --mode=script volume list; }
volume_up() { on "$1" mount -t glusterfs "10.99.0.$1:/mail" "$W/mail"; }

# host_back: host 1, whose processes were all killed, starts again, and takes in what it has missed.
host_back() {
    host_up 1 && cable_up 1 || return 1
    daemon_up 1
    daemon_ready 1 && until_true 60 volume_up 1 && until_true 60 healed
}
healed() {
    ! on 2 gluster --mode=script volume heal mail info | grep -q '^Number of entries: [^0]' &&
        [ "$(on 2 gluster --mode=script volume heal mail info | grep -c '^Number of entries: 0')" = 2 ]
}
