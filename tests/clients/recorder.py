"""A relay between a client and the server that keeps what the client says, also inside COMPRESS=DEFLATE (RFC 4978).

usage: recorder.py FILE PORT SERVER-PORT
Listens on PORT of the loopback address, prints its process id, and goes on in the background. Whole lines are added to FILE.
"""
import os
import re
import socket
import sys
import threading
import time
import zlib

CHUNK = 65536
COMPRESS = re.compile(rb"^(\S+) COMPRESS DEFLATE\r?$", re.I)


class Record:
    """What one client says, and whether it says it compressed."""

    def __init__(self, file):
        self.file = file
        self.rest = b""  # of the client: an unfinished line
        self.answer = b""  # of the server, since the client asked for COMPRESS
        self.tag = None
        self.inflate = None

    def said(self, data):
        """Data from the client."""
        lines = (self.rest + (self.inflate.decompress(data) if self.inflate else data)).split(b"\n")
        self.rest = lines.pop()
        for line in lines:
            os.write(self.file, line + b"\n")
            asked = COMPRESS.match(line)
            if asked:
                self.tag, self.answer = asked[1], b""

    def answered(self, data):
        """Data from the server, before it is passed on: after its OK to COMPRESS the client compresses."""
        if not self.tag:
            return
        self.answer += data
        found = re.search(rb"(?m)^" + re.escape(self.tag) + rb" (OK|NO|BAD)", self.answer)
        if found:
            self.tag = None
            if found[1] == b"OK":
                self.inflate = zlib.decompressobj(-zlib.MAX_WBITS)


def relay(source, target, keep):
    """Passes everything on until the source ends."""
    try:
        while data := source.recv(CHUNK):
            keep(data)
            target.sendall(data)
    except OSError:
        pass
    try:
        target.shutdown(socket.SHUT_WR)
    except OSError:
        pass


def listen(port):
    """The port may still be held by the recorder of the test before."""
    for attempt in range(50):
        try:
            return socket.create_server(("127.0.0.1", port))
        except OSError:
            time.sleep(0.1)
    raise SystemExit(f"port {port} is taken")


def main(path, port, server_port):
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    door = listen(int(port))
    if child := os.fork():
        print(child)
        return
    nothing = os.open(os.devnull, os.O_RDWR)
    for standard in range(3):
        os.dup2(nothing, standard)
    while True:
        client, _ = door.accept()
        server = socket.create_connection(("127.0.0.1", int(server_port)))
        record = Record(file)
        threading.Thread(target=relay, args=(client, server, record.said), daemon=True).start()
        threading.Thread(target=relay, args=(server, client, record.answered), daemon=True).start()


main(*sys.argv[1:])
