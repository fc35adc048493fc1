# How many pages had gone to swap when a kernel notified for the first time? No sample of a guest can tell: the answer
# is within one call of the kernel. For a cell of 03-before-swap.toml:
#
#   memnotify gdb runs/hypothesis-03 CELL -x campaigns/hypotheses/03-before-swap.gdb

python
def address(*names):
    """Return where the one of these functions is that the kernel has."""
    for name in names:
        try:
            return int(gdb.parse_and_eval(f"(unsigned long)&{name}"))
        except gdb.error:
            continue
    raise gdb.GdbError(f"this kernel has no {' and no '.join(names)}")

# Of v2 and v3, of our first port of v3, of v4 and later.
notify = address("mem_notify_userspace", "mem_notify_everyone", "__memory_pressure_notify")
write = address("swap_writepage")
for function in notify, write:
    gdb.execute(f"hbreak *{function}")
pages, here = 0, None
while here != notify:
    gdb.execute("continue")
    here = int(gdb.parse_and_eval("(unsigned long)$pc"))
    pages += here == write
print(f"pages that had gone to swap at the first notification: {pages}")
end
kernel-stack
