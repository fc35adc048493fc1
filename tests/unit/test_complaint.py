"""What is shown of the output of a build that failed."""

from __future__ import annotations

from memnotify.complaint import first_complaint

PARALLEL = """\
  CC      mm/page_alloc.o
In file included from ./include/linux/mm.h:5,
                 from mm/vmscan.c:12:
mm/vmscan.c: In function 'shrink_node':
  CC      mm/mmap.o
mm/vmscan.c:6371:9: error: too few arguments to function 'tell'
 6371 |         tell(pgdat);
  AR      lib/lib.a
      |         ^~~~
mm/vmscan.c:40:13: note: declared here
make[3]: *** [scripts/Makefile.build:250: mm/vmscan.o] Error 1
make[3]: *** Waiting for unfinished jobs....
  CC      fs/aio.o
  CC      fs/select.o
make[2]: *** [scripts/Makefile.build:500: mm] Error 2
"""


def test_the_first_error_is_shown_and_not_what_other_jobs_say() -> None:
    assert first_complaint(PARALLEL) == [
        "In file included from ./include/linux/mm.h:5,",
        "                 from mm/vmscan.c:12:",
        "mm/vmscan.c: In function 'shrink_node':",
        "mm/vmscan.c:6371:9: error: too few arguments to function 'tell'",
        " 6371 |         tell(pgdat);",
        "      |         ^~~~",
        "mm/vmscan.c:40:13: note: declared here",
        "make[3]: *** [scripts/Makefile.build:250: mm/vmscan.o] Error 1",
    ]


def test_many_errors_do_not_bury_the_first() -> None:
    errors = "".join(f"a.c:{n}:1: error: no {n}\n" for n in range(1, 90))
    shown = first_complaint(f"a.c: In function 'f':\n{errors}make: *** [a.o] Error 1\n")
    assert shown[:2] == ["a.c: In function 'f':", "a.c:1:1: error: no 1"]
    assert shown[-1] == "make: *** [a.o] Error 1"
    assert len(shown) < 20


def test_a_warning_alone_is_no_complaint() -> None:
    assert first_complaint("a.c:1:1: warning: unused\n  CC      b.o\n") == []
