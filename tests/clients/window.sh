# shellcheck shell=bash
# shellcheck disable=SC2034,SC2153 # BOX, MAILPASS and SAID are of lib.sh
# What the programs of GNOME need in a display of their own: directories, a keyring, a window manager; and what the Maildir and the
# recorder say. Sourced by use_evolution.sh and use_geary.sh.
export GSETTINGS_BACKEND=keyfile XDG_CONFIG_HOME=$HOME/.config XDG_DATA_HOME=$HOME/.local/share
export XDG_CACHE_HOME=$HOME/.cache XDG_RUNTIME_DIR=$HOME/run
export NO_AT_BRIDGE=1 LIBGL_ALWAYS_SOFTWARE=1 WEBKIT_DISABLE_COMPOSITING_MODE=1
mkdir -p "$XDG_CONFIG_HOME/glib-2.0/settings" "$XDG_DATA_HOME" "$XDG_RUNTIME_DIR"
chmod 700 "$XDG_RUNTIME_DIR"

# eventually WHAT COMMAND...: the command succeeds within 20 seconds
eventually() {
    local what=$1 n; shift
    for n in $(seq 200); do
        if "$@" >/dev/null 2>&1; then return; fi
        sleep 0.1
    done
    echo "never: $what"
    return 1
}
said() { grep -aqE "$1" "$SAID"; }
# in_folder FOLDER SUBJECT: a folder of the Maildir holds it; gone SUBJECT: the inbox does not
in_folder() { grep -rqs "^Subject: $2\$" "$BOX/$1/cur" "$BOX/$1/new"; }
gone() { ! in_folder . "$1"; }
with_flag() { [ -n "$(find "$BOX/cur" -name "*M$1P1_0*:2,*$2*")" ]; }
# keyring ATTRIBUTE VALUE...: a keyring that is open and holds the password, with these attributes
keyring() {
    printf secret | gnome-keyring-daemon --unlock --components=secrets >/dev/null
    # Whoever asks before it is there starts another one, which is locked.
    eventually "the keyring" has_keyring
    printf %s "$MAILPASS" | secret-tool store --label=home "$@"
}
has_keyring() {
    dbus-send --session --print-reply --dest=org.freedesktop.DBus / org.freedesktop.DBus.NameHasOwner string:org.freedesktop.secrets |
        grep -q true
}
