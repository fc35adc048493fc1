# Of the tasks that a kernel woke from the device's queue, how many then had POLLIN, and what did the others find? No record
# says, for a wakeup without POLLIN does not return to the program. For a cell of 20-lost.toml or
# 20-lost-without-swap.toml, on 2.6.24 and x86-64:
#
#   memnotify gdb runs/hypothesis-20 CELL -x campaigns/hypotheses/20-lost.gdb
#
# poll() hands the device a table to queue in at its first look only; a look without one is the look after a wakeup.

python
import collections

looked = int(gdb.parse_and_eval("(unsigned long)&mem_notify_poll"))
gdb.execute(f"hbreak *{looked}")
# Who is killed in its sleep looks once more, so the count ends where init kills those who are left.
gdb.execute(f"hbreak *{int(gdb.parse_and_eval('(unsigned long)&sys_kill'))}")
returned = None
found = collections.Counter()
first = collections.Counter()

def value(what):
    return int(gdb.parse_and_eval(what))

while True:
    try:
        gdb.execute("continue", to_string=True)
        while go_on:  # of images/gdb/guest.py: it was only a rendezvous
            gdb.execute("continue", to_string=True)
        here = value("(unsigned long)$pc")
    except gdb.error:
        break
    if here == looked:
        woken = value("(unsigned long)$rsi") == 0
        zones = value("*(long *)&nr_under_memory_pressure_zones")
        if returned is None:
            returned = value("*(unsigned long *)$rsp")
            gdb.execute(f"hbreak *{returned}")
    elif here == returned:
        (found if woken else first)[value("(unsigned int)$rax") & 1, zones > 0] += 1
    else:
        break  # the end
print(f"woken, and then: POLLIN {found[1, True]}, no zone under pressure {found[0, False]}, "
      f"a guard or another reason {found[0, True]}")
print(f"at the first look: POLLIN {first[1, True]}, none {first[0, False] + first[0, True]}")
end
