"""aioimaplib: the same in asyncio, with IDLE and a delivery meanwhile."""
import asyncio
import os
import aioimaplib


async def connect():
    box = aioimaplib.IMAP4(host="localhost", port=int(os.environ["PORT"]), timeout=30)
    await box.wait_hello_from_server()
    answer = await box.login(os.environ["MAILUSER"], os.environ["MAILPASS"])
    assert answer.result == "OK", answer
    return box


async def main():
    box = await connect()
    answer = await box.select("INBOX")
    assert answer.result == "OK" and any(b"20 EXISTS" in line for line in answer.lines), answer
    answer = await box.search("SUBJECT", '"message 7"', charset=None)
    assert answer.lines[0] == b"7", answer
    answer = await box.fetch("7", "(FLAGS BODY.PEEK[])")
    assert b"This is message number 7." in answer.lines[1], answer
    answer = await box.store("7", "+FLAGS", "(\\Flagged)")
    assert answer.result == "OK", answer
    answer = await box.uid("copy", "7", "INBOX.Work")
    assert answer.result == "OK", answer
    answer = await box.status("INBOX.Work", "(MESSAGES)")
    assert b"MESSAGES 11" in answer.lines[0], answer
    answer = await box.list('""', "*")
    assert any(b"INBOX.Work" in line for line in answer.lines), answer
    answer = await box.namespace()
    assert answer.result == "OK", answer
    if os.environ["EXTENSIONS"] != "0":
        # It asks for the capabilities before the login alone, where Courier's programs answer for the server.
        await box.protocol.capability()
        answer = await box.id(name="aioimaplib")
        assert answer.result == "OK" and any(b"name" in line for line in answer.lines), answer
        answer = await box.uid("move", "8", "INBOX.Work")
        assert answer.result == "OK", answer
        answer = await box.append(b"Subject: moved\r\n\r\nbody\r\n", mailbox="INBOX")
        assert answer.result == "OK", answer
    idle = await box.idle_start(timeout=60)
    other = await connect()
    answer = await other.append(b"Subject: news\r\n\r\nbody\r\n", mailbox="INBOX")
    assert answer.result == "OK", answer
    await other.logout()
    for _ in range(20):
        push = await asyncio.wait_for(box.wait_server_push(), 20)
        if any(b"21 EXISTS" in line for line in push):
            break
    else:
        raise AssertionError("IDLE told nothing")
    box.idle_done()
    await asyncio.wait_for(idle, 10)
    answer = await box.store("21", "+FLAGS", "(\\Deleted)")
    assert answer.result == "OK", answer
    answer = await box.expunge()
    assert answer.result == "OK", answer
    answer = await box.logout()
    assert answer.result == "OK", answer
    print("aioimaplib: all is well")


asyncio.run(main())
