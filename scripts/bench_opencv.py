#!/usr/bin/env python3
"""A peer of `darknet bench -infer`: OpenCV's dnn module on a net that `darknet cfg expand -fold` wrote.

Prints one JSON object: median seconds of a forward pass after three to warm up.

usage: bench_opencv.py CFG WEIGHTS [--batch N] [--size N] [--steps N] [--threads N]
"""
import argparse
import json
import time

import cv2
import numpy as np


def main():
    p = argparse.ArgumentParser()
    p.add_argument("cfg")
    p.add_argument("weights")
    p.add_argument("--batch", type=int, default=1)
    p.add_argument("--size", type=int, default=224)
    p.add_argument("--steps", type=int, default=5)
    p.add_argument("--threads", type=int, default=0)
    a = p.parse_args()
    if a.threads:
        cv2.setNumThreads(a.threads)
    net = cv2.dnn.readNetFromDarknet(a.cfg, a.weights)
    x = np.random.default_rng(0).random((a.batch, 3, a.size, a.size), dtype=np.float32)
    seconds = []
    for _ in range(3 + a.steps):
        net.setInput(x)
        start = time.perf_counter()
        net.forward()
        seconds.append(time.perf_counter() - start)
    seconds = sorted(seconds[3:])
    print(json.dumps({"peer": "OpenCV " + cv2.__version__ + " dnn", "batch": a.batch, "mode": "forward",
                      "seconds": round(seconds[len(seconds) // 2], 6), "fastest": round(seconds[0], 6),
                      "slowest": round(seconds[-1], 6), "threads": cv2.getNumThreads()}))


if __name__ == "__main__":
    main()
