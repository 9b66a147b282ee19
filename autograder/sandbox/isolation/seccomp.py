"""A filter on system calls: none that opens a way out of the sandbox."""

import ctypes
import struct

from autograder.sandbox.isolation import kernel

_EPERM, _ENOSYS = 1, 38
_ALLOW, _KILL, _ERROR = 0x7FFF0000, 0x80000000, 0x00050000
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT = 0, 4, 16
_ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_NEW_NAMESPACES = 0x7E020000  # every CLONE_NEW flag that clone takes

# name: (x86-64, aarch64)
DENIED: dict[str, tuple[int, int]] = {
    "socket": (41, 198), "ptrace": (101, 117), "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271), "kcmp": (312, 272), "mount": (165, 40), "umount2": (166, 39),
    "pivot_root": (155, 41), "chroot": (161, 51), "unshare": (272, 97), "setns": (308, 268),
    "init_module": (175, 105), "delete_module": (176, 106), "finit_module": (313, 273),
    "kexec_load": (246, 104), "kexec_file_load": (320, 294), "bpf": (321, 280),
    "perf_event_open": (298, 241), "userfaultfd": (323, 282), "add_key": (248, 217),
    "request_key": (249, 218), "keyctl": (250, 219), "open_by_handle_at": (304, 265),
    "name_to_handle_at": (303, 264), "open_tree": (428, 428), "move_mount": (429, 429),
    "fsopen": (430, 430), "fsconfig": (431, 431), "fsmount": (432, 432), "fspick": (433, 433),
    "mount_setattr": (442, 442), "io_uring_setup": (425, 425), "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427), "pidfd_open": (434, 434), "pidfd_getfd": (438, 438),
    "pidfd_send_signal": (424, 424), "process_madvise": (440, 440), "quotactl": (179, 60),
    "swapon": (167, 224), "swapoff": (168, 225), "reboot": (169, 142), "settimeofday": (164, 170),
    "clock_settime": (227, 112), "adjtimex": (159, 171), "acct": (163, 89), "syslog": (103, 116),
    "sethostname": (170, 161), "setdomainname": (171, 162), "shmget": (29, 194), "shmat": (30, 196),
    "semget": (64, 190), "msgget": (68, 186), "mq_open": (240, 180), "setpriority": (141, 140),
    "ioprio_set": (251, 30), "sched_setscheduler": (144, 119), "sched_setparam": (142, 118),
    "sched_setattr": (314, 274), "sched_setaffinity": (203, 122), "move_pages": (279, 239),
    "migrate_pages": (256, 238), "personality": (135, 92), "vhangup": (153, 58),
}  # fmt: skip
_CLONE, _CLONE3, _PRLIMIT = (56, 220), (435, 435), (302, 261)


def _instruction(code: int, yes: int, no: int, value: int) -> bytes:
    return struct.pack("HBBI", code, yes, no, value)


def program(machine: str) -> bytes:
    """Return the filter as the kernel takes it.

    ``clone`` may not make namespaces; ``clone3``, whose flags a filter cannot see, seems not to
    exist, and the C library falls back; limits of other processes cannot be set.
    """
    column = 0 if machine == "x86_64" else 1
    refuse = _instruction(_RETURN, 0, 0, _ERROR | _EPERM)
    lines = [
        _instruction(_LOAD, 0, 0, _ARCHITECTURE),
        _instruction(_EQUAL, 1, 0, _ARCHITECTURES[machine]),
        _instruction(_RETURN, 0, 0, _KILL),
        _instruction(_LOAD, 0, 0, _NUMBER),
    ]
    if machine == "x86_64":  # the x32 numbers would slip past the list
        lines += [_instruction(_AT_LEAST, 0, 1, 0x40000000), _instruction(_RETURN, 0, 0, _KILL)]
    for numbers in DENIED.values():
        lines += [_instruction(_EQUAL, 0, 1, numbers[column]), refuse]
    lines += [
        _instruction(_EQUAL, 0, 1, _CLONE3[column]),
        _instruction(_RETURN, 0, 0, _ERROR | _ENOSYS),
        _instruction(_EQUAL, 0, 4, _CLONE[column]),
        _instruction(_LOAD, 0, 0, _FIRST_ARGUMENT),
        _instruction(_ANY_BIT, 0, 1, _NEW_NAMESPACES),
        refuse,
        _instruction(_RETURN, 0, 0, _ALLOW),
        _instruction(_EQUAL, 0, 3, _PRLIMIT[column]),
        _instruction(_LOAD, 0, 0, _FIRST_ARGUMENT),
        _instruction(_EQUAL, 1, 0, 0),
        refuse,
        _instruction(_RETURN, 0, 0, _ALLOW),
    ]
    return b"".join(lines)


def install() -> None:
    """Install the filter in this process and all it will start.

    Raises:
        OSError: if the kernel refuses it.
    """
    code = program(kernel.machine())
    buffer = ctypes.create_string_buffer(code, len(code))
    header = ctypes.create_string_buffer(
        struct.pack("HxxxxxxQ", len(code) // 8, ctypes.addressof(buffer))
    )
    kernel.no_new_privileges()
    kernel.install_filter(ctypes.addressof(header))
