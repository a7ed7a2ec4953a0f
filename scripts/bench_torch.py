#!/usr/bin/env python3
"""The peer of `darknet bench`: torch, channels_last, fp32, the same nets, batch and threads.

Prints one JSON object. For torch's best setting start it with MALLOC_MMAP_MAX_=0
MALLOC_TRIM_THRESHOLD_=20000000000 MALLOC_TOP_PAD_=4000000000: page faults cost it more than arithmetic.

usage: bench_torch.py NET [--batch N] [--threads N] [--steps N] [--infer]
"""
import argparse
import json
import os
import sys
import time

import torch
import torch.nn.functional as F

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tests", "fixtures"))
import make_torch  # noqa: E402  (the nets' definitions)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("net", choices=sorted(make_torch.NETS))
    p.add_argument("--batch", type=int, default=32)
    p.add_argument("--size", type=int, default=224)
    p.add_argument("--threads", type=int, default=0)
    p.add_argument("--steps", type=int, default=5)
    p.add_argument("--infer", action="store_true")
    a = p.parse_args()
    if a.threads:
        torch.set_num_threads(a.threads)
    net = make_torch.at_size(a.net, a.size).float().to(memory_format=torch.channels_last)
    x = torch.rand(a.batch, 3, a.size, a.size).to(memory_format=torch.channels_last)
    truth = torch.arange(a.batch) % 2
    net.train(not a.infer)
    adam = torch.optim.Adam(net.parameters(), lr=1e-5)

    def step():
        if a.infer:
            with torch.no_grad():
                return net(x)
        adam.zero_grad(set_to_none=True)
        sum(w * F.cross_entropy(z, truth) for z, w in net(x)).backward()
        adam.step()

    seconds = []
    for i in range(3 + a.steps):
        start = time.perf_counter()
        step()
        seconds.append(time.perf_counter() - start)
    seconds = sorted(seconds[3:])
    median = seconds[len(seconds) // 2]
    print(json.dumps({"peer": "torch " + torch.__version__, "net": a.net, "batch": a.batch,
                      "mode": "forward" if a.infer else "training step", "seconds": round(median, 6),
                      "fastest": round(seconds[0], 6), "slowest": round(seconds[-1], 6),
                      "images_per_second": round(a.batch / median, 3), "threads": torch.get_num_threads()}))


if __name__ == "__main__":
    main()
