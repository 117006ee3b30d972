# shellcheck shell=sh
# What all scripts share: where things are, options, help, builds, and packages from apt. Each script sets ROOT (the checkout) and
# then reads this file. The comment at the head of a script is its help; its "usage:" lines are shown when an option is wrong.
export umask_of_caller; umask_of_caller=$(umask)
umask 022
me=${0##*/}
# Cargo's directory, as cargo itself finds it.
TARGET=${CARGO_TARGET_DIR:-$ROOT/target}

note() { printf '%s\n' "$me: $*" >&2; }
die() { note "$*"; exit 2; }

help() { awk 'NR == 1 { next } !/^#/ { exit } /^# shellcheck/ { next } { sub(/^# ?/, ""); print }' "$0"; }
# wrong WHY: an option that is not known, or has no value.
wrong() {
    note "$*"
    help | awk '/^usage:/ { on = 1; print; next } on && /^       / { print; next } on { exit }' >&2
    exit 2
}
# value OPTION COUNT: OPTION wants a value, and COUNT arguments are left.
value() { [ "$2" -gt 1 ] || wrong "$1 wants a value"; }
# no_options "$@": for scripts that have none but --help.
no_options() {
    case ${1:-} in
    '') ;;
    -h | --help) help; exit 0 ;;
    *) wrong "what is $1?" ;;
    esac
}

# build CARGO-OPTION...: release builds. Readable for all, whatever the caller's umask. Under sudo the user behind it builds: root often
# has no cargo, and what root had built could not be built again by the user. Without cargo, what is built already is taken as it is.
build() {
    if [ "$(id -u)" = 0 ] && [ -n "${SUDO_USER:-}" ] && [ "$SUDO_USER" != root ]; then
        sudo -H -u "$SUDO_USER" sh -lc 'umask 022; cd "$1" && shift && exec cargo build --release "$@"' sh "$ROOT" "$@"
    elif command -v cargo >/dev/null 2>&1; then
        (cd "$ROOT" && cargo build --release "$@")
    elif [ -x "$TARGET/release/imapd" ]; then
        note "cargo is not here: taking what is built already in $TARGET"
    else
        note "cargo is not here: see https://rustup.rs (Rust 1.88 or later)"
        return 1
    fi
}
# tool NAME: the path of one of the tools in tests/tools (bench, check-maildir, gen-maildir, show-index). build_tools: makes them.
tool() { echo "$TARGET/release/$1"; }
# shellcheck disable=SC2120 # -q, where there is one
build_tools() { build "$@" -p postrider-tools; }
# test_program NAME: builds a test that is a program with options of its own, and prints its path.
test_program() {
    cargo test -q --manifest-path "$ROOT/Cargo.toml" --test "$1" --no-run --message-format=json-render-diagnostics |
        sed -n "s|.*\"executable\":\"\([^\"]*/$1-[^\"/]*\)\".*|\1|p" | tail -n 1
}
# run_test_program NAME ARGUMENT...: builds it and becomes it; its exit status is the script's.
run_test_program() {
    program=$(test_program "$1")
    [ -x "$program" ] || exit 2
    shift
    exec "$program" "$@"
}

# --- packages: --no-install (SKIP_INSTALL=1 says the same) keeps all of these from installing anything --------------------------
may_install() { [ "${SKIP_INSTALL:-}" != 1 ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; }
no_install() { SKIP_INSTALL=1; export SKIP_INSTALL; }
# apt_quietly COMMAND...: apt-get, quietly; the lists of packages are brought up to date first, once an hour. What it says is in apt.log.
apt_quietly() {
    mkdir -p "$TARGET"
    if [ -z "$(find "$TARGET/apt-updated" -mmin -60 2>/dev/null)" ]; then
        timeout 300 apt-get -qq update >"$TARGET/apt.log" 2>&1 </dev/null && : >"$TARGET/apt-updated"
    fi
    DEBIAN_FRONTEND=noninteractive timeout 420 apt-get -qq "$@" >>"$TARGET/apt.log" 2>&1 </dev/null
}
# install_packages PACKAGE...: all at once, which is quicker; one by one where that fails.
install_packages() {
    may_install || return 1
    note "installing $*"
    apt_quietly install --no-install-recommends -y "$@" && return 0
    [ $# -gt 1 ] || { note "that failed: see $TARGET/apt.log"; return 1; }
    for package; do apt_quietly install --no-install-recommends -y "$package" || note "$package cannot be had: see $TARGET/apt.log"; done
}
# want PROGRAM PACKAGE: is it here, or can it come?
want() {
    command -v "$1" >/dev/null 2>&1 && return 0
    install_packages "$2"
    command -v "$1" >/dev/null 2>&1
}
# want_courier: Courier's imapd, and where it is.
want_courier() {
    courier=${COURIER_IMAPD:-/usr/bin/imapd}
    want "$courier" courier-imap
}
# deb PACKAGE...: the packages' files, installed nowhere, in a directory below target/; prints the path of each.
deb() {
    mkdir -p "$TARGET/debs"
    for package; do
        if ! ls "$TARGET/debs/$package"_*.deb >/dev/null 2>&1; then
            [ "${SKIP_INSTALL:-}" != 1 ] && command -v apt-get >/dev/null 2>&1 || continue
            (cd "$TARGET/debs" && apt_quietly download "$package")
        fi
        ls "$TARGET/debs/$package"_*.deb 2>/dev/null | tail -n 1
    done
}
