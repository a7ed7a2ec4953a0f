"""Debian's Darknet judged by its own forward pass.

A bias before a skip connection is moved up and down; how the loss that Darknet prints then changes
(a central difference) is the gradient. One step of plain SGD by Darknet must move the bias by
-rate * gradient. It does in a net without skips, which is the control; in a net whose skip passes a
1x1 convolution it does not: the convolution overwrites what the skip sent back. Ours does in both.

The images are of one colour, so that no augmentation changes them. Only Python's own modules are used.
"""
import os
import re
import struct
import subprocess
import tempfile
import zlib

THEIRS = "/usr/bin/darknet"
OURS = os.path.abspath("darknet")
TOOL = os.path.abspath("build/tests/tools/make_weights")
HEADER = 20
RATE = 0.5
STEP = 0.02

NET = """[net]
batch=2
subdivisions=1
width=8
height=8
channels=3
min_crop=8
max_crop=8
angle=0
hue=0
saturation=1
exposure=1
aspect=1
flip=0
momentum=0
decay=0
learning_rate=%g
policy=constant
max_batches=1
"""
# Linear throughout: a kink between the two points would spoil the difference.
CONVOLUTION = """
[convolutional]
filters=%d
size=%d
stride=1
pad=1
activation=linear
"""
END = "\n[avgpool]\n" + CONVOLUTION % (2, 1) + "\n[softmax]\n"
PLAIN = CONVOLUTION % (4, 3) + CONVOLUTION % (4, 1) + END
SKIP = (CONVOLUTION % (4, 3) + CONVOLUTION % (4, 1)
        + "\n[shortcut]\nfrom=-2\nactivation=linear\n" + END)


def report(good, name, why):
    print("ok - " + name if good else "not ok - %s: %s" % (name, why))


def write_png(path, size, colour):
    def chunk(kind, data):
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    rows = (b"\0" + bytes(colour) * size) * size
    with open(path, "wb") as f:
        f.write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", size, size, 8, 2, 0, 0, 0))
                + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


def write(path, text):
    with open(path, "w") as f:
        f.write(text)


def floats(path):
    with open(path, "rb") as f:
        data = f.read()[HEADER:]
    return struct.unpack("<%df" % (len(data) // 4), data)


def run(program, *arguments):
    return subprocess.run((program, "classifier") + arguments, capture_output=True, text=True)


def train(program, net, rate, weights):
    """One update by a program; the loss before it as printed, and the weights after it."""
    write("net.cfg", NET % rate + net)
    for name in ("net.weights", "net_final.weights"):
        if os.path.exists("backup/" + name):
            os.remove("backup/" + name)
    done = run(program, "train", "set.data", "net.cfg", weights, "-clear")
    line = re.search(r"^1, [\d.]+: ([\d.]+),", done.stdout + done.stderr, re.M)
    after = [p for p in ("backup/net.weights", "backup/net_final.weights") if os.path.exists(p)]
    if not line or not after:
        raise RuntimeError("%s does not train: %s" % (program, (done.stdout + done.stderr)[-400:]))
    return float(line.group(1)), floats(after[0])


def gradient(net):
    """dLoss/dBias of the first filter, from the losses that Debian's program prints."""
    losses = []
    with open("start.weights", "rb") as f:
        data = f.read()
    bias = struct.unpack_from("<f", data, HEADER)[0]
    for sign in (1, -1):
        moved = bytearray(data)
        struct.pack_into("<f", moved, HEADER, bias + sign * STEP)
        with open("moved.weights", "wb") as f:
            f.write(moved)
        losses.append(train(THEIRS, net, 1e-9, "moved.weights")[0])
    return (losses[0] - losses[1]) / (2 * STEP)


def start(net):
    write("net.cfg", NET % RATE + net)
    subprocess.run((TOOL, "net.cfg", "start.weights", "3"), check=True, capture_output=True)
    return floats("start.weights")[0]


def learns(program, net):
    """What a program took for the gradient, from the step it made, and what it was."""
    before = start(net)
    slope = gradient(net)
    moved = train(program, net, RATE, "start.weights")[1][0]
    return (before - moved) / RATE, slope


def skips():
    for name, net, theirs_right in (("without a skip", PLAIN, True), ("past a 1x1", SKIP, False)):
        for who, program in (("ours", OURS), ("Debian's", THEIRS)):
            taken, slope = learns(program, net)
            right = abs(taken - slope) < 0.01 * abs(slope) + 1e-4
            why = "took %.6f for the gradient, which is %.6f" % (taken, slope)
            if program == OURS or theirs_right:
                report(right, "%s follows the gradient in a net %s" % (who, name), why)
            else:
                report(not right, "%s loses the gradient of a skip %s" % (who, name), why)


def predicted(program, weights):
    return run(program, "predict", "set.data", "net.cfg", weights, "a_benign.png")


def weights_of_another_size():
    start(PLAIN)
    with open("start.weights", "rb") as f:
        data = f.read()
    with open("short.weights", "wb") as f:
        f.write(data[:len(data) // 2])
    theirs, ours = predicted(THEIRS, "short.weights"), predicted(OURS, "short.weights")
    report(theirs.returncode == 0 and "%" in theirs.stdout, "Debian's predicts with half a weights file",
           "exit status %d: %s" % (theirs.returncode, theirs.stdout))
    report(ours.returncode == 1 and "short.weights" in ours.stderr, "ours refuses half a weights file",
           "exit status %d: %s" % (ours.returncode, ours.stderr))


def main():
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        os.mkdir("backup")
        write_png("a_benign.png", 8, (200, 90, 30))
        write_png("a_malignant.png", 8, (40, 120, 220))
        write("train.list", os.path.join(folder, "a_benign.png") + "\n")
        write("labels.list", "benign\nmalignant\n")
        write("set.data", "classes=2\ntrain=%s/train.list\nvalid=%s/train.list\nlabels=%s/labels.list\n"
              "names=%s/labels.list\nbackup=%s/backup\ntop=1\n" % ((folder,) * 5))
        skips()
        weights_of_another_size()


main()
