"""What a submission may use before it is stopped."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of one sandboxed child; time limits hold for each part (each cell) by itself."""

    cpu_seconds: float = 10.0
    """CPU time of one part. This is the limit that counts: a busy machine does not use it up."""
    wall_seconds: float = 90.0
    """Clock time of one part; generous, against code that sleeps or waits for ever."""
    memory_mb: int = 4096
    """Address space of each process."""
    processes: int = 32
    """Processes and threads in the sandbox."""
    file_mb: int = 32
    """Largest file that can be written."""
    disk_mb: int = 64
    """Size of the sandbox's own file system, where the tier has one."""
    open_files: int = 128
    """Open descriptors of each process."""
    output_kb: int = 1024
    """Text kept of what one part prints; the rest is counted and dropped."""

    def __post_init__(self) -> None:
        """Refuse limits under which nothing can run."""
        for name in self.__slots__:
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} must be positive, got {getattr(self, name)}")
