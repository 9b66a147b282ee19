"""Who does the grading: threads of this machine, or a dask.distributed cluster; the same results.

The threads only wait: the student's code and the tests run in processes of the sandbox, which all threads share.
"""

from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from itertools import islice
from typing import Any

from autograder.pipeline.result import Result
from autograder.pipeline.work import Work, grade_work, result_of


def grade_here(works: Iterable[Work], jobs: int) -> Iterator[Result]:
    """Grade on this machine, so many at a time; results come in the order in which they are ready."""
    remaining = iter(works)
    running: set[Future[Result]] = set()
    with ThreadPoolExecutor(max(1, jobs)) as pool:
        try:
            # a window, not a list: a thousand submissions need no more memory than four
            running = {pool.submit(grade_work, work) for work in islice(remaining, 2 * jobs)}
            while running:
                done, running = wait(running, return_when=FIRST_COMPLETED)
                running |= {pool.submit(grade_work, work) for work in islice(remaining, len(done))}
                yield from [future.result() for future in done]
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def grade_on_cluster(works: Iterable[Work], address: str) -> Iterator[Result]:
    """Grade on a dask.distributed cluster, which may be this machine, Slurm or Kubernetes.

    Args:
        works: what to grade; plain data, so that no folder needs to be shared.
        address: the scheduler's, such as ``tcp://head:8786``.
    """
    from distributed import Client, as_completed

    remaining = iter(works)
    asked: dict[Any, Work] = {}
    with Client(address) as client:
        running = as_completed()

        def ask(count: int) -> None:
            for work in islice(remaining, count):
                future = client.submit(grade_work, work, pure=False, retries=1)
                asked[future] = work
                running.add(future)

        ask(4 * max(1, sum(client.nthreads().values())))
        for future in running:
            work = asked.pop(future)
            if future.status == "finished":
                yield future.result()
            else:
                error = f"the cluster gave up: {future.exception()!r}"
                yield result_of(work, (), error=error)
            ask(1)
