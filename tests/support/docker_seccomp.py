"""Run a command under what Docker's default seccomp profile forbids.

Started as `python docker_seccomp.py COMMAND...`; exits with 77 if there is no libseccomp, which
QEMU brings along. The profile is a list of what is allowed; this forbids the difference from all,
for a container without additional capabilities (docs.docker.com/engine/security/seccomp).
"""

from __future__ import annotations

import ctypes
import errno
import os
import sys

SKIP = 77
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000
_MASKED_EQUAL = 7
# New namespaces: mounts, control groups, UTS, IPC, users, processes, network.
_NAMESPACES = (0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000)
FORBIDDEN = """
acct add_key bpf clock_adjtime clock_settime create_module delete_module fanotify_init
finit_module fsconfig fsmount fsopen fspick get_kernel_syms get_mempolicy init_module
io_uring_enter io_uring_register io_uring_setup ioperm iopl kcmp kexec_file_load kexec_load keyctl
lookup_dcookie mbind mount mount_setattr move_mount move_pages nfsservctl open_by_handle_at
open_tree perf_event_open personality pivot_root process_vm_readv process_vm_writev ptrace
query_module quotactl reboot request_key set_mempolicy setdomainname sethostname setns
settimeofday swapoff swapon sysfs syslog umount umount2 unshare uselib userfaultfd ustat vhangup
vm86 vm86old
"""


class _Comparison(ctypes.Structure):
    _fields_ = (
        ("argument", ctypes.c_uint),
        ("operator", ctypes.c_int),
        ("first", ctypes.c_uint64),
        ("second", ctypes.c_uint64),
    )


def forbid() -> None:
    """Install the filter. Raises OSError."""
    library = ctypes.CDLL("libseccomp.so.2")
    library.seccomp_init.restype = ctypes.c_void_p
    state = ctypes.c_void_p(library.seccomp_init(_ALLOW))
    for name in FORBIDDEN.split():
        call = library.seccomp_syscall_resolve_name(name.encode())
        if call >= 0:
            _must(library.seccomp_rule_add(state, _ERRNO | errno.EPERM, call, 0))
    clone, clone3 = (library.seccomp_syscall_resolve_name(n) for n in (b"clone", b"clone3"))
    for flag in _NAMESPACES:
        rule = (_Comparison * 1)(_Comparison(0, _MASKED_EQUAL, flag, flag))
        _must(library.seccomp_rule_add_array(state, _ERRNO | errno.EPERM, clone, 1, rule))
    _must(library.seccomp_rule_add(state, _ERRNO | errno.ENOSYS, clone3, 0))
    _must(library.seccomp_load(state))


def _must(code: int) -> None:
    if code:
        raise OSError(-code, os.strerror(-code))


if __name__ == "__main__":
    try:
        ctypes.CDLL("libseccomp.so.2")
    except OSError:
        sys.exit(SKIP)
    forbid()
    os.execvp(sys.argv[1], sys.argv[1:])
