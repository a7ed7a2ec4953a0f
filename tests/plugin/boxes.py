"""Writes a detector's data set into the working directory: bright boxes on grey noise, one class."""
import os
import random
import struct
import zlib

SIDE, IMAGES = 64, 24


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def write_png(path, rows):
    raw = b"".join(b"\0" + bytes(v for p in row for v in (p, p, p)) for row in rows)
    header = struct.pack(">IIBBBBB", SIDE, SIDE, 8, 2, 0, 0, 0)
    with open(path, "wb") as to:
        to.write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header))
        to.write(chunk(b"IDAT", zlib.compress(raw)) + chunk(b"IEND", b""))


def main():
    random.seed(1)
    os.makedirs("boxes", exist_ok=True)
    names = []
    for i in range(IMAGES):
        side = random.randint(16, 28)
        x, y = (random.randint(2, 60 - side) for _ in range(2))
        inside = lambda c, r: x <= c < x + side and y <= r < y + side
        rows = [[220 if inside(c, r) else 40 + random.randint(0, 20) for c in range(SIDE)]
                for r in range(SIDE)]
        write_png(f"boxes/{i}.png", rows)
        centre = ((x + side / 2) / SIDE, (y + side / 2) / SIDE)
        with open(f"boxes/{i}.txt", "w") as to:
            to.write(f"0 {centre[0]} {centre[1]} {side / SIDE} {side / SIDE}\n")
        names.append(f"boxes/{i}.png")
    with open("boxes.list", "w") as to:
        to.write("\n".join(names) + "\n")
    with open("boxes.names", "w") as to:
        to.write("box\n")
    with open("boxes.data", "w") as to:
        to.write("classes=1\ntrain=boxes.list\nvalid=boxes.list\nnames=boxes.names\nbackup=w\n")


main()
