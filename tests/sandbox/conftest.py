from collections.abc import Iterator

import pytest
import torch

from autograder.sandbox import Grader, Limits
from tests.sandbox.helpers import Student


@pytest.fixture(scope="session")
def grader() -> Iterator[Grader]:
    """Short limits: a part that runs away is stopped soon."""
    limits = Limits(cpu_seconds=1, wall_seconds=8, memory_mb=3072, processes=24, file_mb=8)
    with Grader(limits) as found:
        yield found


@pytest.fixture
def student() -> Iterator[Student]:
    torch.set_num_threads(1)
    found = Student()
    yield found
    found.close()
