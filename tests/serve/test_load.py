"""Many connections, some at once: nothing lost, nothing kept. Prints its memory curve."""

import os
import threading
import time
from collections import Counter

import numpy as np
import psutil
import pytest
from mrd_client import Running, acquisitions, ask

COUNT = int(os.environ.get("RSD_MRI_LOAD", "200"))
AT_ONCE = 4
CONFIGS = ("l1-wavelet", "tv", "zero-filled", "cg-sense")
EVERY = 10
"""Each so-many-th connection asks for the posterior."""


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_two_hundred_connections_leave_nothing_behind(tmp_path, small_scan, request):
    running = Running(tmp_path, "--samples", 1)
    request.addfinalizer(running.stop)
    process = psutil.Process(running.process.pid)
    numbers, lock = iter(range(COUNT)), threading.Lock()
    failures, curve, got = [], [], Counter()

    def work():
        while True:
            with lock:
                number = next(numbers, None)
            if number is None:
                return
            config = "posterior" if number % EVERY == EVERY - 1 else CONFIGS[number % 4]
            answer = ask(running, small_scan, config)
            expected = 4 if config == "posterior" else 2
            got[config] += len(answer.images)
            if not answer.closed or len(answer.images) != expected or answer.said("ERROR"):
                failures.append((number, config, len(answer.images), answer.texts))
            with lock:
                used = sum(one.memory_info().rss for one in (process, *process.children())) / 2**20
                curve.append(used)
                if len(curve) % 10 == 0:
                    print(f"{len(curve)} connections: {used:.0f} MiB, {time.monotonic() - begun:.0f} s", flush=True)

    begun = time.monotonic()
    threads = [threading.Thread(target=work) for _ in range(AT_ONCE)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert failures == []
    events = [running.event("connection") for _ in range(COUNT)]
    assert {event["end"] for event in events} == {"close"}
    assert sum(event["images"] for event in events) == sum(got.values())
    assert all(event["acquisitions"] == len(acquisitions(small_scan)) for event in events)
    print("first image after the last line:", np.quantile([e["first_image_s"] for e in events], (0.5, 0.95, 1)))
    # All four methods and the posterior have run by then; the mean over ten is less at the mercy of the moment.
    assert np.mean(curve[-10:]) < 1.1 * np.mean(curve[10:20])


@pytest.mark.slow
def test_fuzzing_at_length(server, small_scan):
    import random

    from test_broken import exchange, whole

    parts = whole(small_scan)
    draw = random.Random(int(os.environ.get("RSD_MRI_SEED", "0")))
    for _ in range(int(os.environ.get("RSD_MRI_FUZZ", "500"))):
        data = bytearray(b"".join(parts[: draw.choice((2, 3, 6, 30, len(parts)))]))
        for _ in range(draw.choice((0, 1, 2, 10, 200))):
            place = draw.randrange(len(data))
            data[place] = draw.choice((0, 255, draw.randrange(256)))
        if draw.random() < 0.3:
            place = draw.randrange(len(data))
            data[place : place + draw.randrange(100)] = draw.randbytes(draw.randrange(100))
        answer = exchange(server, bytes(data[draw.choice((0, 0, 0, 1026)) :]))
        assert answer.closed
        assert all(np.isfinite(image.data).all() for image in answer.images)
    assert ask(server, small_scan, "zero-filled").images
