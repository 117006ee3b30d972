"""Python's own imaplib, over the network and (with TUNNEL set) through a program's pipes (IMAP4_stream)."""
import imaplib
import os
import re
import ssl

tunnel = os.environ.get("TUNNEL")
if tunnel:
    box = imaplib.IMAP4_stream(tunnel)
    assert box.state == "AUTH", box.state
elif os.environ.get("TLS"):
    box = imaplib.IMAP4("localhost", int(os.environ["PLAINPORT"]))
    typ, _ = box.starttls(ssl.create_default_context(cafile=os.environ["CERT"]))
    assert typ == "OK"
    user, password = os.environ["MAILUSER"], os.environ["MAILPASS"]
    typ, _ = box.authenticate("PLAIN", lambda _: f"\0{user}\0{password}".encode())
    assert typ == "OK"
else:
    box = imaplib.IMAP4("localhost", int(os.environ["PORT"]))
    box.login(os.environ["MAILUSER"], os.environ["MAILPASS"])


def ok(answer):
    typ, data = answer
    assert typ == "OK", answer
    return data


assert "IMAP4REV1" in ok(box.capability())[0].decode().upper()
assert any(b"INBOX.Work" in line for line in ok(box.list()))
count = int(ok(box.select("INBOX"))[0])
assert count == 20, count
assert ok(box.search(None, "SUBJECT", '"message 7"'))[0] == b"7"
assert ok(box.uid("SEARCH", "UNSEEN"))[0].split() != []
data = ok(box.fetch("1", "(UID RFC822.SIZE ENVELOPE BODYSTRUCTURE INTERNALDATE FLAGS)"))
assert b"ENVELOPE" in data[0] and b"BODYSTRUCTURE" in data[0]
data = ok(box.fetch("7", "(BODY.PEEK[])"))
assert b"This is message number 7." in data[0][1]
size = int(re.search(rb"RFC822.SIZE (\d+)", ok(box.fetch("7", "(RFC822.SIZE)"))[0]).group(1))
assert size == len(data[0][1])
assert "\\Flagged" in ok(box.store("2:3", "+FLAGS", "(\\Flagged)"))[0].decode()
assert ok(box.search(None, "FLAGGED"))[0] == b"2 3"
ok(box.copy("2:3", "INBOX.Work"))
assert int(ok(box.select("INBOX.Work"))[0]) == 12
ok(box.select("INBOX"))
ok(box.append("INBOX", "(\\Seen)", imaplib.Time2Internaldate(1700000000), b"Subject: appended\r\n\r\nbody\r\n"))
ok(box.noop())
assert ok(box.search(None, "SUBJECT", "appended"))[0] == b"21"
ok(box.store("21", "+FLAGS", "(\\Deleted)"))
assert ok(box.expunge())[0] == b"21"
ok(box.create("INBOX.Made"))
ok(box.rename("INBOX.Made", "INBOX.Renamed"))
ok(box.subscribe("INBOX.Renamed"))
assert any(b"INBOX.Renamed" in line for line in ok(box.lsub()))
ok(box.unsubscribe("INBOX.Renamed"))
ok(box.delete("INBOX.Renamed"))
assert b"MESSAGES 12" in ok(box.status("INBOX.Work", "(MESSAGES UIDNEXT UNSEEN)"))[0]
assert ok(box.sort("REVERSE SUBJECT", "UTF-8", "ALL"))[0]
assert ok(box.thread("REFERENCES", "UTF-8", "ALL"))[0]
assert ok(box.getquotaroot("INBOX"))
assert ok(box.myrights("INBOX"))
assert ok(box.namespace())
if os.environ["EXTENSIONS"] != "0":
    ok(box.uid("MOVE", "9", "INBOX.Work"))
    assert ok(box.uid("SEARCH", "UID", "8:10"))[0] == b"8 10"
    ok(box.append("INBOX", None, None, b"Subject: moved\r\n\r\nbody\r\n"))
ok(box.check())
ok(box.close())
typ, _ = box.logout()
assert typ == "BYE"
print("imaplib: all is well")
