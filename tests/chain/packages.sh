# shellcheck shell=bash
# courier-imap upgraded and removed while ours is swapped in; our own package. Sourced by scripts/chain.

part_packages() {
    echo "== packages: courier-imap upgraded and removed while ours is swapped in; our own package"
    local file out
    [ -n "$SWAPS" ] || { skip "packages" "the imapd under test is not ours"; return; }
    file=$(deb courier-imap)
    if [ -n "$file" ]; then
        export DEBIAN_FRONTEND=noninteractive
        install_ours --swap-in >/dev/null
        ok "an upgrade of courier-imap" dpkg --force-confold -i "$file"
        ok "leaves ours in place" cmp "$IMAPD" /usr/bin/imapd
        ok "and puts Courier's beside it" cmp "$COURIER" /usr/bin/imapd.courier
        ok "swap out after the upgrade" install_ours --swap-out
        ok "brings back Courier's" cmp "$COURIER" /usr/bin/imapd
        install_ours --swap-in >/dev/null
        ok "removal of courier-imap" dpkg --remove --force-depends courier-imap
        ok "leaves ours in place" cmp "$IMAPD" /usr/bin/imapd
        ok "swap out after the removal" install_ours --swap-out
        same "leaves nothing" "" "$(dpkg-divert --list '*imapd*'; ls /usr/bin/imapd* 2>/dev/null)"
        ok "courier-imap installs again" dpkg --force-confold -i "$file"
        ok "with its own imapd" cmp "$COURIER" /usr/bin/imapd
    else
        skip "upgrade and removal of courier-imap" "its package cannot be had"
    fi

    service stop >/dev/null 2>&1
    if ! command -v dpkg-deb >/dev/null; then skip "our package" "dpkg-deb is not here"; return; fi
    # A second build that is another file, and a third that serves nobody.
    mkdir -p "$W/builds"
    { cat "$IMAPD"; echo second; } >"$W/builds/second"
    sed 's/PREAUTH/PREBUTH/g' "$IMAPD" >"$W/builds/deaf"
    chmod 755 "$W/builds"/*
    ok "scripts/package builds" scripts/package --imapd "$IMAPD" "$W/deb"
    file=$(ls "$W"/deb/*.deb 2>/dev/null)
    [ -n "$file" ] || return
    ok "and a second build" scripts/package --imapd "$W/builds/second" "$W/deb.second"
    ok "and one that is broken" scripts/package --imapd "$W/builds/deaf" "$W/deb.deaf"
    out=$(scripts/package --imapd /usr/sbin/imapd "$W/deb.script" 2>&1) && fail "but none with a script for a program" || pass "but none with a script for a program"
    ok "Courier's services start" service start
    serves "before our package" "$COURIER"
    (cd / && find usr etc var/lib -xdev | sort) >"$W/files.before"
    out=$(package -i "$file" 2>&1) && pass "it installs beside courier-imap" || fail "it installs beside courier-imap" "$out"
    ok "Courier's imapd is untouched" cmp "$COURIER" /usr/bin/imapd
    ok "ours is in its own folder" cmp "$IMAPD" /usr/lib/postrider/imapd
    same "postrider-swap --status" "1;postrider-swap: /usr/bin/imapd is Courier's" "$(out=$(installed --status); echo "$?;$out")"
    ok "postrider-swap --swap-in, with nothing in its environment" installed --swap-in
    ok "puts there what the package has" cmp /usr/lib/postrider/imapd /usr/bin/imapd
    ok "with its manual page" sh -c 'zcat /usr/share/man/man8/postrider-imapd.8.gz | cmp - man/imapd.8 && zcat /usr/share/man/man8/imapd.8.gz | cmp - man/imapd.8'
    same "postrider-swap --status, then" "0;postrider-swap: /usr/bin/imapd is ours (Courier's: /usr/bin/imapd.courier)" "$(out=$(installed --status); echo "$?;$out")"
    serves "swapped in" "$IMAPD"
    ok "an upgrade of our package" package -i "$W"/deb.second/*.deb
    ok "puts the new build in place" cmp "$W/builds/second" /usr/bin/imapd
    serves "upgraded" "$W/builds/second"
    out=$(package -i "$W"/deb.deaf/*.deb 2>&1) && pass "an upgrade to a broken build" || fail "an upgrade to a broken build" "$out"
    like "says that the new build is not in use" 'the new build is not in use' "$out"
    same "leaves nothing half done" "install ok installed" "$(dpkg-query -W -f '${Status}' postrider)"
    serves "and the one before serves" "$W/builds/second"
    cp /usr/sbin/imapd /usr/bin/imapd
    ok "an upgrade where Courier's start script took its place" package -i "$file"
    serves "mends it" "$IMAPD"
    cp /usr/sbin/imapd /usr/bin/imapd
    ok "the same, to a broken build" package -i "$W"/deb.deaf/*.deb
    serves "gives Courier's back" "$COURIER"
    ok "an upgrade while Courier's serves" package -i "$file"
    serves "leaves Courier's" "$COURIER"
    ok "swap in again" installed --swap-in
    out=$(IMAPD=/usr/sbin/imapd COURIER_IMAPD=$W/none DESTDIR=$W/none PREFIX=$W/none dpkg -i "$file" 2>&1) &&
        pass "an upgrade in a strange environment" || fail "an upgrade in a strange environment" "$out"
    serves "changes nothing" "$IMAPD"
    ok "removal of our package" package --remove postrider
    ok "gives Courier's imapd back" cmp "$COURIER" /usr/bin/imapd
    serves "removed" "$COURIER"
    ok "and its purge" package --purge postrider
    (cd / && find usr etc var/lib -xdev | sort) >"$W/files.after"
    same "leave no file" "" "$(diff "$W/files.before" "$W/files.after")"
    service stop
}
# The installed program and dpkg, as from a bare shell: no help from the environment, from no place in particular.
installed() { (cd / && env -i /usr/sbin/postrider-swap "$@"); }
package() { (cd / && env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive dpkg "$@"); }
