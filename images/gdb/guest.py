"""gdb's side of a guest of this testbed. Runs in gdb; its input is in the environment.

At a rendezvous the guest pauses itself, which gdb sees as an unknown signal. The host answers, and
reports that as a line on a pipe: `+` if the guest is to continue, and what it asked for.
"""

import json
import os

import gdb

SETTINGS = json.loads(os.environ["MEMNOTIFY_GDB"])
PAUSE_SIGNAL = "?"
STACK_BYTES = {4: 1 << 13, 8: 1 << 14}  # kernel stack of a task, by word size
KERNEL = {4: 3 << 30, 8: 1 << 63}  # start of kernel addresses, by word size

answers = os.fdopen(SETTINGS["answers"])
go_on = False


def on_stop(event):
    """Note whether the guest only stopped for a rendezvous."""
    global go_on
    go_on = False
    if isinstance(event, gdb.SignalEvent) and event.stop_signal == PAUSE_SIGNAL:
        answer = answers.readline().rstrip("\n")
        go_on = answer.startswith("+")
        print(f"[{answer[1:]}]")


class AfterContinue(gdb.Command):
    """Continue after a rendezvous. Runs after each `continue`."""

    def __init__(self):
        super().__init__("memnotify-after-continue", gdb.COMMAND_RUNNING)

    def invoke(self, argument, from_tty):
        while go_on:
            gdb.execute("continue")


class GotoRecord(gdb.Command):
    """goto-record N: go to where record N has just become valid.

    N counts from 0, like `index` in records.parquet. In a recording, it may lie ahead or behind;
    otherwise the guest can only go forward.
    """

    def __init__(self):
        super().__init__("goto-record", gdb.COMMAND_RUNNING)

    def invoke(self, argument, from_tty):
        number = int(gdb.parse_and_eval(argument))
        if SETTINGS["recording"]:
            gdb.execute("monitor replay_seek 0")
            gdb.execute("maintenance flush register-cache")
        offset = number % SETTINGS["window_records"] * SETTINGS["record_bytes"]
        commit = f"*(unsigned int *) {SETTINGS['window'] + offset:#x}"
        others = [breakpoint for breakpoint in gdb.breakpoints() if breakpoint.enabled]
        for breakpoint in others:
            breakpoint.enabled = False
        written = gdb.Breakpoint(commit, gdb.BP_WATCHPOINT, gdb.WP_WRITE, internal=True)
        written.condition = f"{commit} == {number + 1}"
        written.silent = True
        try:
            gdb.execute("continue", to_string=True)
            while go_on:
                gdb.execute("continue", to_string=True)
            if not written.hit_count:
                raise gdb.GdbError(f"the guest ended without a record {number}")
            print(f"[record {number} has just become valid]")
        finally:
            written.delete()
            for breakpoint in others:
                breakpoint.enabled = True
        gdb.execute("frame")


class KernelStack(gdb.Command):
    """kernel-stack: every word on the stack that points into the kernel's code, innermost first.

    The kernels have no frame pointers, and without --dwarf no debug information, so `bt` is only
    right about the first frames. This list has all callers in it, and also some that returned long
    ago.
    """

    def __init__(self):
        super().__init__("kernel-stack", gdb.COMMAND_STACK)

    def invoke(self, argument, from_tty):
        word = gdb.lookup_type("long").sizeof
        names = {4: "$esp", 8: "$rsp"}
        start = int(gdb.parse_and_eval(names[word])) & (1 << 8 * word) - 1
        if start < KERNEL[word]:
            raise gdb.GdbError("the CPU is in user mode, where the kernel's stack is empty")
        end = (start | STACK_BYTES[word] - 1) + 1
        inferior = gdb.selected_inferior()
        stack = inferior.read_memory(start, end - start).tobytes()
        for offset in range(0, len(stack) - word + 1, word):
            value = int.from_bytes(stack[offset : offset + word], "little")
            where = gdb.execute(f"info symbol {value:#x}", to_string=True)
            if " + " in where and "section .text" in where:
                print(f"{start + offset:#x}: {value:#x} {where.split(' in section')[0]}")


gdb.events.stop.connect(on_stop)
AfterContinue()
GotoRecord()
KernelStack()
gdb.execute("define hookpost-continue\nmemnotify-after-continue\nend")
gdb.execute("set confirm off")
gdb.execute(f"file {SETTINGS['symbols']}")
gdb.execute(f"target remote {SETTINGS['socket']}")
if SETTINGS["record"] is not None:
    gdb.execute(f"goto-record {SETTINGS['record']}")
