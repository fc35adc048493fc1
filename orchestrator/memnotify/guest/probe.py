"""Tests whether QEMU and KVM work, by booting something: nothing else is reliable.

/dev/kvm may exist and be unusable, without permission or because guests hang under a nested
hypervisor.
"""

from __future__ import annotations

import functools
import os
import tempfile

from memnotify import process
from memnotify.errors import InfrastructureError
from memnotify.guest.privileges import KVM, qemu_user
from memnotify.guest.qemu import QEMU, SANDBOX, inherited, located
from memnotify.model import Accel, Clock

_TIMEOUT_SECONDS = 5.0  # a working guest leaves the BIOS within a second, even without KVM
_ANSWER = 0x2A
# Enters 64-bit mode with paging and executes cmpxchg16b there, as Linux does. A half-working KVM
# (one that emulates instructions instead of running them) may fail to do so. Loaded at 0x7c00; page
# tables at 0x1000, 0x2000 and 0x3000 map the first 2 MiB.
# 0x1000, 0x2000 and 0x3000 map the first 2 MiB.
_CODE = bytes.fromhex(
    "fa 6631c0 8ed8 8ec0"  # cli; xor eax,eax; mov ds,ax; mov es,ax
    "66bf00100000 0f22df"  # mov edi,0x1000; mov cr3,edi
    "b90030 fc f3aa"  # mov cx,0x3000; cld; rep stosb
    "c70600100320"  # mov word [0x1000],0x2003
    "c70600200330"  # mov word [0x2000],0x3003
    "c606003083"  # mov byte [0x3000],0x83
    "b020 0f22e0"  # mov al,0x20; mov cr4,eax: PAE
    "66b9800000c0 0f32 80cc01 0f30"  # mov ecx,0xc0000080; rdmsr; or ah,1; wrmsr: LME
    "0f0116807c"  # lgdt [0x7c80]
    "0f20c0 660d01000080 0f22c0"  # mov eax,cr0; or eax,0x80000001; mov cr0,eax: PG, PE
    "ea507c0800"  # jmp 8:0x7c50
    "31c0 31d2 31c9"  # 0x7c50, 64-bit: xor eax,eax; xor edx,edx; xor ecx,ecx
    "bb 2a000000 bf00380000"  # mov ebx,ANSWER; mov edi,0x3800
    "f0480fc70f"  # lock cmpxchg16b [rdi]
    "8a07 e6f4"  # mov al,[rdi]; out 0xf4,al
    "f4 ebfd"  # 1: hlt; jmp 1b
    "0f1f4000"  # nop
    "0000000000000000 00000000009a2000"  # 0x7c70, GDT: null, 64-bit code
    "0f00 707c0000"  # 0x7c80, what lgdt loads: limit, address
)
BOOT_SECTOR = _CODE.ljust(510, b"\0") + b"\x55\xaa"


def boots(accel: Accel) -> str | None:
    """Boot a boot sector of our own from a disk. Return None if it ran, else what went wrong."""
    user = qemu_user()
    with tempfile.TemporaryFile() as disk:
        disk.write(BOOT_SECTOR)
        disk.flush()
        user.lend(disk.fileno())
        argv = [QEMU, "-nodefaults", "-no-user-config", "-sandbox", SANDBOX, "-display", "none"]
        argv += ["-accel", accel, "-m", "16", "-no-reboot"]
        argv += ["-drive", f"if=ide,format=raw,file={inherited(disk.fileno())}"]
        argv += ["-device", "isa-debug-exit,iobase=0xf4,iosize=1"]
        try:
            done = process.run(
                user.rights(accel).command(located(argv)),
                timeout=_TIMEOUT_SECONDS,
                check=False,
                pass_fds=(disk.fileno(),),
            )
        except process.CommandFailed:  # a timeout: the status is not checked
            return f"a guest did not finish its boot sector in {_TIMEOUT_SECONDS:g} s"
        except InfrastructureError as error:
            return str(error)
    if done.returncode == _ANSWER << 1 | 1:  # how isa-debug-exit encodes it
        return None
    said = "; ".join(line.strip() for line in done.said.splitlines() if line.strip())
    return said or f"QEMU ended with status {done.returncode}"


@functools.cache
def kvm_problem() -> str | None:
    """Return why KVM cannot be used, or None if it can. Tested once per process."""
    if not KVM.exists():
        return f"there is no {KVM}"
    if not os.access(KVM, os.R_OK | os.W_OK):
        return f"no permission for {KVM}"
    return boots(Accel.KVM)


def choose(accel: Accel, clock: Clock) -> Accel:
    """Resolve AUTO: KVM if the clock is real and KVM works, else TCG."""
    if accel is not Accel.AUTO:
        return accel
    return Accel.KVM if clock is Clock.REAL and kvm_problem() is None else Accel.TCG
