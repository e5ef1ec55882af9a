"""What `procession-bench pool` measures, by a pool of Python: `pool.py multiprocessing` or `pool.py loky`.

Prints a line for each row: its name as in the benchmark, a tab, the figure. Or one line `skipped: ...`.
Figures are medians; each is taken after one turn that doesn't count.
"""

import statistics
import sys
import time

ROUNDS = 5
SKEW_ROUNDS = 3
WORKERS = 2
TASKS = 100_000
# One by one they are slow, so there are fewer.
SINGLE_TASKS = 5_000
CALLS = 1_000

LONG, SHORT, SHORTS = 0.2, 0.0002, 2_000


def task(n):
    return n * 3


def digest(n):
    return n.to_bytes(8, "little") + bytes([n & 255]) * 24


def sleep(seconds):
    start = time.perf_counter()
    time.sleep(seconds)
    return time.perf_counter() - start



class Multiprocessing:
    chunk = None  # a quarter of what each worker gets, which is the library's default

    def __init__(self, workers):
        from multiprocessing import Pool

        self.pool = Pool(workers)

    def map(self, f, items, chunk):
        return self.pool.map(f, items, chunk)

    def submit(self, f, n):
        return self.pool.apply_async(f, (n,))

    def get(self, result):
        return result.get()

    def imap(self, f, items):
        return self.pool.imap(f, items)

    def imap_unordered(self, f, items):
        return self.pool.imap_unordered(f, items)

    def end(self):
        self.pool.close()
        self.pool.join()


class Loky:
    chunk = 1  # the library's default

    def __init__(self, workers):
        from loky import ProcessPoolExecutor

        self.pool = ProcessPoolExecutor(workers)

    def map(self, f, items, chunk):
        return list(self.pool.map(f, items, chunksize=chunk))

    def submit(self, f, n):
        return self.pool.submit(f, n)

    def get(self, result):
        return result.result()

    def end(self):
        self.pool.shutdown()


def say(row, figure):
    print(f"{row}\t{figure}", flush=True)


def median(rounds, measure):
    measure()
    return statistics.median(measure() for _ in range(rounds))


def rate(count, work):
    """Millions of tasks a second."""

    def measure():
        start = time.perf_counter()
        values = work()
        taken = time.perf_counter() - start
        assert len(values) == count
        return count / taken / 1e6

    return median(ROUNDS, measure)


def tiny(pool):
    # The library's own chunks where it has any, and otherwise as many as the other one takes.
    chunk = pool.chunk if pool.chunk != 1 else TASKS // (4 * WORKERS)
    say("map, M tasks/s", rate(TASKS, lambda: pool.map(task, range(TASKS), chunk)))
    say("map, chunks of 1, M tasks/s", rate(SINGLE_TASKS, lambda: pool.map(task, range(SINGLE_TASKS), 1)))

    def one_by_one():
        results = [pool.submit(task, n) for n in range(SINGLE_TASKS)]
        return [pool.get(result) for result in results]

    say("apply_async + get, M tasks/s", rate(SINGLE_TASKS, one_by_one))

    def calls():
        samples = []
        for n in range(CALLS):
            start = time.perf_counter()
            assert pool.get(pool.submit(task, n)) == task(n)
            samples.append(time.perf_counter() - start)
        return statistics.median(samples) * 1e6

    say("one task, hot, us", median(ROUNDS, calls))


def lazy(pool):
    if hasattr(pool, "imap"):
        say("imap_unordered, M tasks/s", rate(SINGLE_TASKS, lambda: list(pool.imap_unordered(digest, range(SINGLE_TASKS)))))
        say("imap, M tasks/s", rate(SINGLE_TASKS, lambda: list(pool.imap(digest, range(SINGLE_TASKS)))))


def skew(pool, workers, at, place):
    items = [SHORT] * SHORTS
    items.insert(at, LONG)

    def stretch():
        start = time.perf_counter()
        took = pool.map(sleep, items, pool.chunk)
        finish = time.perf_counter() - start
        return finish / max(max(took), sum(took) / workers)

    say(f"finish / ideal, {workers} workers, {place}", median(SKEW_ROUNDS, stretch))


def main():
    library = {"multiprocessing": Multiprocessing, "loky": Loky}[sys.argv[1]]
    try:
        pool = library(WORKERS)
    except ImportError as e:
        print(f"skipped: {e}")
        return
    tiny(pool)
    lazy(pool)
    skew(pool, WORKERS, 0, "first")
    skew(pool, WORKERS, SHORTS // 4, "at a quarter")
    pool.end()
    pool = library(8)
    skew(pool, 8, 0, "first")
    pool.end()


if __name__ == "__main__":
    main()
