"""interimap, which keeps two servers alike and knows no other way than QRESYNC (RFC 7162).

The account behind the login chain (BOX, "far") and one through a tunnel (NEAR, TUNNEL) are changed
by sessions of ours, by Courier's imapd, by a delivery and by hand; after each run of interimap
Courier's imapd reads both, and what it reads is what was done to them.
"""
import glob
import imaplib
import os
import random
import re
import signal
import subprocess
import time
import zlib

HOME = os.environ["HOME"]
OURS = "/usr/bin/imapd"
COURIER = os.environ["COURIER"]
LOG = os.path.join(HOME, "interimap.log")
FLAGS = ["\\Seen", "\\Flagged", "\\Answered", "\\Draft", "$Forwarded", "later"]
LETTERS = {"\\Seen": "S", "\\Flagged": "F", "\\Answered": "R", "\\Draft": "D"}


class Side:
    """One account: `model` is what it holds, {(folder, message-id): flags}."""

    def __init__(self, name, maildir):
        self.name, self.maildir, self.model, self.serial = name, maildir, {}, 0
        self.uid = os.stat(maildir).st_uid

    def session(self, program):
        """A session of its own, PREAUTH on pipes, with the settings of Courier's start script."""
        return imaplib.IMAP4_stream(
            f"cd '{os.path.dirname(self.maildir)}' && exec setpriv --reuid {self.uid}"
            f" --regid {self.uid} --clear-groups env -i AUTHENTICATED={self.name} IMAP_KEYWORDS=1"
            f" IMAP_CAPABILITY='IMAP4rev1 UIDPLUS CHILDREN NAMESPACE SORT QUOTA IDLE'"
            f" {program} ./Maildir 2>>'{HOME}/sessions.log'")

    def directory(self, folder):
        return self.maildir + folder.removeprefix("INBOX").replace(".", "/.", 1)

    def folders(self, session):
        return [re.search(rb'"?([^" ]+)"?$', line)[1].decode() for line in session.list()[1]]

    def read(self):
        """What Courier's imapd says: {(folder, message-id): flags}; no message is there twice."""
        found, session = {}, self.session(COURIER)
        for folder in self.folders(session):
            if session.select(folder, readonly=True)[1] == [b"0"]:
                continue
            data = session.fetch("1:*", "(FLAGS BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)])")[1]
            text = b" ".join(b"".join(d) if isinstance(d, tuple) else d for d in data)
            for line in re.split(rb"(?:^|(?<= ))\d+ \((?=FLAGS|BODY|UID)", text)[1:]:
                key = folder, re.search(rb"<([^>]*)>", line)[1].decode()
                assert key not in found, f"{self.name}: twice: {key}"
                flags = re.search(rb"FLAGS \(([^)]*)\)", line)[1].decode().split()
                found[key] = frozenset(flags) - {"\\Recent"}
        session.logout()
        return found

    def uids(self, session, folder, names):
        """The UIDs of these messages, in a session that has the folder open."""
        found = [session.uid("SEARCH", f'HEADER MESSAGE-ID "<{name}>"')[1][0] for name in names]
        assert all(re.fullmatch(rb"\d+", uid) for uid in found), f"{folder} {names}: {found}"
        return b",".join(found).decode()

    def deliver(self, folder="INBOX"):
        """A message comes, as a delivery program brings it."""
        self.serial += 1
        name = f"{self.name}{self.serial}@interimap.example"
        path, file = self.directory(folder), f"{int(time.time())}.M{self.serial}P9.{self.name}"
        with open(f"{path}/tmp/{file}", "w", encoding="ascii") as out:
            out.write(f"From: herald@example.com\nSubject: {name}\nMessage-ID: <{name}>\n\nNews.\n")
        os.chown(f"{path}/tmp/{file}", self.uid, self.uid)
        os.rename(f"{path}/tmp/{file}", f"{path}/new/{file}")
        self.model[folder, name] = frozenset()

    def file(self, folder, name):
        for path in glob.glob(f"{glob.escape(self.directory(folder))}/[cn][ue][rw]/*"):
            with open(path, encoding="utf-8", errors="replace") as text:
                if f"\nMessage-ID: <{name}>\n" in "\n" + text.read(4000):
                    return path
        raise AssertionError(f"{self.name}: no file of {name} in {folder}")

    def by_hand(self, folder, flagged, gone):
        """Files are renamed and removed. Keywords are not in names."""
        for name, sign, flag in flagged:
            if flag in LETTERS:
                path = self.file(folder, name)
                base, _, info = os.path.basename(path).partition(":2,")
                letters = {*info, LETTERS[flag]} if sign == "+" else {*info} - {LETTERS[flag]}
                os.rename(path, f"{self.directory(folder)}/cur/{base}:2,{''.join(sorted(letters))}")
                self.mark(folder, name, sign, flag)
        for name in gone:
            os.unlink(self.file(folder, name))
            del self.model[folder, name]

    def wait_for_clock(self):
        """Until it has passed all modification sequences. An index that is lost before begins
        below what interimap has, and interimap would not believe that anything has changed."""
        session = self.session(OURS)
        for folder in self.folders(session):
            answer = session.status(folder, "(HIGHESTMODSEQ)")[1][0]
            value = int(re.search(rb"HIGHESTMODSEQ (\d+)", answer)[1])
            time.sleep(max(0, value / 1e6 - time.time()) if value > 1e15 else 0)
        session.logout()

    def mark(self, folder, name, sign, flag):
        flags = self.model[folder, name]
        self.model[folder, name] = flags | {flag} if sign == "+" else flags - {flag}

    def by_imap(self, program, folder, flagged, gone, copied=(), moved=()):
        session = self.session(program)
        session.select(folder)
        for name, sign, flag in flagged:
            uid = self.uids(session, folder, [name])
            assert session.uid("STORE", uid, f"{sign}FLAGS", f"({flag})")[0] == "OK"
            self.mark(folder, name, sign, flag)
        for names, to in (copied, moved) if copied or moved else ():
            if names:
                uids = self.uids(session, folder, names)
                assert session.uid("COPY", uids, to)[0] == "OK"
                self.model |= {(to, name): self.model[folder, name] for name in names}
        gone = [*gone, *(moved[0] if moved else ())]
        if gone:
            session.uid("STORE", self.uids(session, folder, gone), "+FLAGS.SILENT", "(\\Deleted)")
            assert session.expunge()[0] == "OK"
            for name in gone:
                del self.model[folder, name]
        session.logout()


def interimap(*arguments, background=False):
    """A run of it; what both sides said in it."""
    open(LOG, "w", encoding="utf-8").close()
    command = ["interimap", "--config", os.path.join(HOME, "interimap.conf"), "--debug", *arguments]
    if background:
        return subprocess.Popen(command)
    run = subprocess.run(command, timeout=120, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr + transcript()[-3000:]
    return transcript()


def transcript():
    with open(LOG, encoding="utf-8", errors="replace") as log:
        return re.sub(r"(?m)^\w{3} [ \d]\d [\d:.]+ ", "", log.read())


def merged(base, far, near, mixed=False):
    """What a sync may make of it, {key: values}: a deletion wins. If the same messages were changed
    on both sides (`mixed`), all flags may be set, also where one was set and taken back."""
    wanted = {}
    for key in {*far, *near}:
        b, f, n = base.get(key), far.get(key), near.get(key)
        if key not in base:
            wanted[key] = {n if f is None else f}
        elif f is not None and n is not None:
            wanted[key] = {n if f == b else f if n == b else f | n} | ({f | n} if mixed else set())
    return wanted


def compare(what, wanted, found):
    for key in sorted({*wanted, *found}):
        w, f = wanted.get(key, {None}), found.get(key)
        assert f in w, f"{what}: {key}: wanted {[v and sorted(v) for v in w]}, found {f and sorted(f)}"


class Play:
    def __init__(self, seed):
        self.random = random.Random(seed)
        self.far = Side(os.environ["MAILUSER"], os.environ["BOX"])
        self.near = Side(os.environ["NEARUSER"], os.environ["NEAR"])
        self.base = {}

    def settle(self, what, mixed=False):
        """Both sides are what both histories make."""
        wanted = merged(self.base, self.far.model, self.near.model, mixed)
        found = self.far.read(), self.near.read()
        compare(f"{what}: {self.far.name}", wanted, found[0])
        compare(f"{what}: {self.near.name}", {key: {value} for key, value in found[0].items()}, found[1])
        self.far.model, self.near.model, self.base = found[0], found[1], dict(found[0])

    def sync(self, what, mixed=False):
        said = interimap()
        try:
            self.settle(what, mixed)
        except AssertionError as e:
            raise AssertionError(f"{said[-6000:]}\n{e}") from None
        return said

    def change(self, side, writer, apart=None):
        """Random changes in one folder by one writer. `apart`: only every second message."""
        r = self.random
        folder = r.choice(sorted({folder for folder, _ in side.model}))
        names = sorted(name for at, name in side.model if at == folder)
        if apart is not None:
            names = [name for name in names if zlib.crc32(name.encode()) % 2 == apart]
        r.shuffle(names)
        flagged = [(n, r.choice("+-"), r.choice(FLAGS)) for n in names[:4] for _ in range(2)]
        gone = names[4:4 + r.randrange(3)]
        if writer == "hand":
            side.by_hand(folder, flagged, gone)
            return
        to = "INBOX.Work" if folder == "INBOX" else "INBOX"
        free = [n for n in names[6:] if (to, n) not in {*self.far.model, *self.near.model, *self.base}]
        side.by_imap(OURS if writer == "ours" else COURIER, folder, flagged, gone,
                     (free[:r.randrange(3)], to), (free[3:3 + r.randrange(2)], to))


def selects(said, name):
    return re.findall(rf"(?m)^{name}(?:\([^)]*\))?: C: \S+ SELECT .*$", said)


def main():
    play = Play(int(os.environ.get("SEED", "7162")))
    far, near = play.far, play.near
    far.model = far.read()
    play.base = {}
    assert len(far.model) == 30 and not near.read()

    # The first run copies everything; the second finds nothing to do, from STATUS alone.
    said = play.sync("first")
    for name in "local", "remote":
        assert re.search(rf"(?m)^{name}: C: \S+ ENABLE QRESYNC$", said), said
        assert re.search(rf"(?m)^{name}.*: S: \* ENABLED .*QRESYNC", said), said
    said = play.sync("nothing new")
    said = play.sync("nothing new, again")
    assert not selects(said, "local") and not selects(said, "remote"), said

    # One side after the other is changed, by each writer. What vanished is told of that time only.
    for writer in "ours", "courier", "hand":
        for side, name in (far, "remote"), (near, "local"):
            for n in range(2):
                before = {*side.model}
                play.change(side, writer)
                side.deliver()
                gone = before - {*side.model}
                said = play.sync(f"{writer} on the {name} side, {n}")
                assert "(QRESYNC (" in "".join(selects(said, name)), said
                earlier = re.findall(rf"(?m)^{name}.*: S: \* VANISHED \(EARLIER\) (\S+)$", said)
                assert bool(earlier) == bool(gone), f"{gone}: {said}"
    # Both at once, different messages; then the same messages, where interimap sets all flags.
    for n in range(10):
        for at, side in enumerate((far, near)):
            for writer in play.random.sample(["ours", "courier", "hand"], 2):
                play.change(side, writer, at if n % 2 else None)
            side.deliver("INBOX.Work" if n % 3 else "INBOX")
        said = play.sync(f"both, {n}", mixed=n % 2 == 0)
    assert re.search(r": C: \S+ UID STORE \S+ \(UNCHANGEDSINCE \d+\)", said), said
    damage(play)
    folders(play)
    watch(play)


def damage(play):
    """The index may be lost, cut, or put back from a backup at any time. Then all flags are told
    as changed, and of what was changed on the other side interimap sets all flags."""
    def states():
        return {path: open(path, "rb").read() for side in (play.far, play.near)
                for path in glob.glob(f"{glob.escape(side.maildir)}/**/postrider.state", recursive=True)}

    old = states()
    for n in range(6):
        for at, side in enumerate((play.far, play.near)):
            play.change(side, play.random.choice(["ours", "courier", "hand"]), at)
            side.deliver()
        done = []
        for side in play.far, play.near:
            side.wait_for_clock()
        for path, data in states().items():
            what = play.random.choice(["lost", "cut", "old", "as it was"])
            done.append(f"{what} {path}")
            if what == "lost":
                os.unlink(path)
            elif what == "cut":
                os.truncate(path, play.random.randrange(len(data) + 1))
            elif what == "old" and path in old:
                with open(path, "wb") as file:
                    file.write(old[path])
            if n == 2:
                old[path] = data
        play.sync(f"damage, {n}, {'; '.join(done)}", mixed=True)


def folders(play):
    """A folder made on either side comes to the other, with its mail; and goes from both. (It can
    rename them as well, if a server keeps UIDVALIDITY then; we do what Courier does.)"""
    far, near = play.far, play.near
    for side, name in (far, "INBOX.Made"), (near, "INBOX.Mine"):
        session = side.session(OURS if side is far else COURIER)
        session.create(name)
        session.subscribe(name)
        session.logout()
        side.deliver(name)
        play.sync(f"new folder {name}")
    for side in far, near:
        session = side.session(COURIER)
        assert b"INBOX.Made" in b" ".join(session.lsub()[1]), side.name
        session.logout()
    interimap("--delete", "INBOX.Mine")
    for state in far.model, near.model, play.base:
        for key in [key for key in state if key[0] == "INBOX.Mine"]:
            del state[key]
    play.sync("a folder deleted")


def watch(play):
    """One run stays, and looks every second, while both sides are changed."""
    run = interimap("--watch=1", background=True)
    try:
        for n in range(6):
            for at, side in enumerate((play.far, play.near)):
                play.change(side, play.random.choice(["ours", "courier", "hand"]), at)
                side.deliver()
            wanted = merged(play.base, play.far.model, play.near.model)
            for _ in range(60):
                assert run.poll() is None, transcript()[-4000:]
                try:
                    if len(play.far.read()) == len(wanted) and play.far.read() == play.near.read():
                        break
                except TypeError:
                    pass  # a message went while it was read
                time.sleep(0.5)
            try:
                play.settle(f"watching, {n}")
            except AssertionError as e:
                raise AssertionError(f"{transcript()[-6000:]}\n{e}") from None
    finally:
        run.send_signal(signal.SIGTERM)
        run.wait(10)
    # What was seen while it watched is not told again.
    play.sync("after watching")
    said = play.sync("after watching, again")
    assert not selects(said, "local") and not selects(said, "remote"), said


main()
print("interimap: all is well")
