"""
A stand-in for systemd-logind on a private system bus, with nothing but Python: it takes the name
org.freedesktop.login1, hands out inhibitors, tells whose a session is, and sends the signals that it is
told to on standard input:

    sleep | wake | lock PATH | hint PATH

What happens is printed, a word a line: ready, inhibited WHAT MODE, released.
"""
import os
import select
import socket
import struct
import sys

NAME = "org.freedesktop.login1"
UID = int(sys.argv[2])


def pad(data, to):
    return data + b"\0" * (-len(data) % to)


def text(data, value):
    raw = value.encode()
    return pad(data, 4) + struct.pack("<I", len(raw)) + raw + b"\0"


def signature(value):
    return bytes([len(value)]) + value.encode() + b"\0"


class Bus:
    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(path)
        self.socket.sendall(b"\0AUTH EXTERNAL " + str(os.geteuid()).encode().hex().encode() + b"\r\n")
        self.line()
        self.socket.sendall(b"NEGOTIATE_UNIX_FD\r\n")
        self.line()
        self.socket.sendall(b"BEGIN\r\n")
        self.serial, self.buffer = 0, b""

    def line(self):
        got = b""
        while not got.endswith(b"\r\n"):
            got += self.socket.recv(1)

    def send(self, kind, fields, sig="", body=b"", fds=()):
        self.serial += 1
        if sig:
            fields = fields + [(8, "g", sig)]
        if fds:
            fields = fields + [(9, "u", len(fds))]
        array = b""
        for code, form, value in fields:
            array = pad(array, 8) + bytes([code]) + signature(form)
            if form in "so":
                array = text(array, value)
            elif form == "g":
                array += signature(value)
            else:
                array = pad(array, 4) + struct.pack("<I", value)
        head = struct.pack("<BBBBIII", 108, kind, 0, 1, len(body), self.serial, len(array))
        data = pad(head + array, 8) + body
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, struct.pack("i" * len(fds), *fds))] if fds else []
        self.socket.sendmsg([data], rights)
        return self.serial

    def call(self, member, sig, body):
        fields = [(1, "o", "/org/freedesktop/DBus"), (2, "s", "org.freedesktop.DBus")]
        self.send(1, fields + [(3, "s", member), (6, "s", "org.freedesktop.DBus")], sig, body)

    def signal(self, path, interface, member, sig="", body=b""):
        self.send(4, [(1, "o", path), (2, "s", interface), (3, "s", member)], sig, body)

    def messages(self):
        self.buffer += self.socket.recv(65536)
        while len(self.buffer) >= 16:
            order, kind, _, _, size, serial, length = struct.unpack_from("<BBBBIII", self.buffer)
            start = 16 + length + (-length % 8)
            if len(self.buffer) < start + size:
                return
            fields = self.fields(self.buffer[16:16 + length])
            body, self.buffer = self.buffer[start:start + size], self.buffer[start + size:]
            yield kind, serial, fields, body

    def fields(self, data):
        at, found = 0, {}
        while at < len(data):
            at += -at % 8
            code, form = data[at], chr(data[at + 2])
            at += 4
            if form in "so":
                at += -at % 4
                (length,) = struct.unpack_from("<I", data, at)
                found[code] = data[at + 4:at + 4 + length].decode()
                at += 5 + length
            elif form == "g":
                found[code] = data[at + 1:at + 1 + data[at]].decode()
                at += 2 + data[at]
            else:
                at += -at % 4
                (found[code],) = struct.unpack_from("<I", data, at)
                at += 4
        return found


def strings(body):
    at, found = 0, []
    while at + 4 <= len(body):
        at += -at % 4
        (length,) = struct.unpack_from("<I", body, at)
        found.append(body[at + 4:at + 4 + length].decode())
        at += 5 + length
    return found


def say(*words):
    print(*words, flush=True)


bus = Bus(sys.argv[1])
bus.call("Hello", "", b"")
bus.call("RequestName", "su", pad(text(b"", NAME), 4) + struct.pack("<I", 0))
say("ready")
inhibitors = []


def answer(serial, fields, body):
    to = [(5, "u", serial), (6, "s", fields[7])]
    if fields.get(3) == "Inhibit":
        ours, theirs = os.pipe()
        inhibitors.append(ours)
        what, who, why, mode = strings(body)
        say("inhibited", what, mode)
        bus.send(2, to, "h", struct.pack("<I", 0), [theirs])
        os.close(theirs)
    elif fields.get(3) == "Get":
        path = b"/org/freedesktop/login1/user/_1"
        value = pad(signature("(uo)"), 8) + struct.pack("<I", UID)
        bus.send(2, to, "v", text(value, path.decode()))
    else:
        bus.send(3, to + [(4, "s", "org.freedesktop.DBus.Error.UnknownMethod")])


def tell(words):
    if words[0] in ("sleep", "wake"):
        begins = struct.pack("<I", 1 if words[0] == "sleep" else 0)
        bus.signal("/org/freedesktop/login1", NAME + ".Manager", "PrepareForSleep", "b", begins)
    elif words[0] == "lock":
        bus.signal(words[1], NAME + ".Session", "Lock")
    elif words[0] == "hint":
        body = text(b"", NAME + ".Session")
        entry = text(b"", "LockedHint") + signature("b")
        entry = pad(entry, 4) + struct.pack("<I", 1)
        start = pad(pad(body, 4) + struct.pack("<I", len(entry)), 8)
        body = pad(start + entry, 4) + struct.pack("<I", 0)
        bus.signal(words[1], "org.freedesktop.DBus.Properties", "PropertiesChanged", "sa{sv}as", body)


while True:
    for ready in select.select([bus.socket, sys.stdin] + inhibitors, [], [])[0]:
        if ready is bus.socket:
            for kind, serial, fields, body in bus.messages():
                if kind == 1:
                    answer(serial, fields, body)
        elif ready is sys.stdin:
            lines = os.read(0, 65536).decode().splitlines()
            if not lines:
                sys.exit()
            for line in lines:
                tell(line.split())
        else:
            os.close(ready)
            inhibitors.remove(ready)
            say("released")
