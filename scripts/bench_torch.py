#!/usr/bin/env python3
"""The peer of `darknet bench`: torch, channels_last, the same nets, batch and threads.

Prints one JSON object. For torch's best setting start it with MALLOC_MMAP_MAX_=0
MALLOC_TRIM_THRESHOLD_=20000000000 MALLOC_TOP_PAD_=4000000000: page faults cost it more than arithmetic.
--infer times the net as it is, and traced, frozen and optimised for inference; the faster one counts.

usage: bench_torch.py NET [--batch N] [--threads N] [--steps N] [--infer] [--bf16]
"""
import argparse
import json
import os
import resource
import sys
import time

import torch
import torch.nn.functional as F

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tests", "fixtures"))
import make_torch  # noqa: E402  (the nets' definitions)


class Dropout(torch.nn.Dropout):
    """torch's own, in place of the fixtures', whose masks are this project's and in double."""

    def __init__(self, layer, p):
        super().__init__(p)


make_torch.Dropout = Dropout


def time_steps(step, count):
    """Seconds of `count` calls, sorted, after three to warm up."""
    seconds = []
    for _ in range(3 + count):
        start = time.perf_counter()
        step()
        seconds.append(time.perf_counter() - start)
    return sorted(seconds[3:])


class MainHead(torch.nn.Module):
    """What predicts: heads that only train are left out."""

    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, x):
        return self.net(x)[0][0]


def train_step(net, x, truth, autocast):
    adam = torch.optim.Adam(net.parameters(), lr=1e-5)

    def step():
        adam.zero_grad(set_to_none=True)
        with autocast():
            loss = sum(w * F.cross_entropy(z, truth) for z, w in net(x))
        loss.backward()
        adam.step()

    return step


def best_forward(net, x, autocast, count):
    """The faster of the plain net and the frozen one."""
    net = MainHead(net).eval()

    def plain():
        with torch.inference_mode(), autocast():
            return net(x)

    best = "plain", time_steps(plain, count)
    try:
        with torch.no_grad(), autocast():
            frozen = torch.jit.optimize_for_inference(torch.jit.trace(net, x))
            seconds = time_steps(lambda: frozen(x), count)
        if seconds[count // 2] < best[1][count // 2]:
            best = "frozen", seconds
    except RuntimeError as e:
        print("frozen: " + str(e).splitlines()[0], file=sys.stderr)
    return best


def main():
    p = argparse.ArgumentParser()
    p.add_argument("net", choices=sorted(make_torch.NETS))
    p.add_argument("--batch", type=int, default=32)
    p.add_argument("--size", type=int, default=224)
    p.add_argument("--threads", type=int, default=0)
    p.add_argument("--steps", type=int, default=5)
    p.add_argument("--infer", action="store_true")
    p.add_argument("--bf16", action="store_true")
    a = p.parse_args()
    if a.threads:
        torch.set_num_threads(a.threads)
    net = make_torch.at_size(a.net, a.size).float().to(memory_format=torch.channels_last)
    x = torch.rand(a.batch, 3, a.size, a.size).to(memory_format=torch.channels_last)
    truth = torch.arange(a.batch) % 2
    net.train(not a.infer)

    def autocast():
        return torch.autocast("cpu", dtype=torch.bfloat16, enabled=a.bf16)

    if a.infer:
        how, seconds = best_forward(net, x, autocast, a.steps)
    else:
        how, seconds = "plain", time_steps(train_step(net, x, truth, autocast), a.steps)
    median = seconds[len(seconds) // 2]
    print(json.dumps({"peer": "torch " + torch.__version__ + (" bf16" if a.bf16 else ""), "net": a.net,
                      "batch": a.batch, "mode": "forward" if a.infer else "training step", "how": how,
                      "seconds": round(median, 6), "fastest": round(seconds[0], 6),
                      "slowest": round(seconds[-1], 6), "images_per_second": round(a.batch / median, 3),
                      "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
                      "threads": torch.get_num_threads()}))


if __name__ == "__main__":
    main()
