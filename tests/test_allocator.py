"""Threads share the process's heap. Each test has a process of its own: the choice holds for good."""

import subprocess
import sys

import pytest

from nexconsole import allocator

THREADS = """
import threading
go = threading.Event()
def work():
    kept = [bytes(5_000 + number) for number in range(50)]  # beyond Python's own pools: from the C library
    here.release()
    go.wait()
here = threading.Semaphore(0)
threads = [threading.Thread(target=work) for _ in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    here.acquire()
# A thread's own heap reserves 64 MB of addresses, of which it may use the first pages.
sizes = (line.split()[0].split("-") for line in open("/proc/self/maps") if line.split()[1] == "---p")
print(sum(int(end, 16) - int(begin, 16) > 32 << 20 for begin, end in sizes))
go.set()
"""


def heaps_of_threads(before: str) -> int:
    done = subprocess.run([sys.executable, "-c", before + THREADS], capture_output=True, text=True, check=True)
    return int(done.stdout)


def test_threads_have_no_heaps_of_their_own() -> None:
    assert heaps_of_threads("from nexconsole.allocator import share_heap; share_heap()") == 0


def test_free_pages_can_be_returned_at_any_time() -> None:
    allocator.return_free_pages()
    allocator.return_free_pages()


def test_another_c_library_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(allocator, "_library", lambda: object())  # it has neither function
    allocator.share_heap()
    allocator.return_free_pages()
    monkeypatch.setattr(allocator, "_library", lambda: None)
    allocator.share_heap()
    allocator.return_free_pages()


def test_no_library_is_looked_for_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert allocator._library.__wrapped__() is None
