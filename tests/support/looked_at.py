"""The campaign of a guest that is looked at: two clients and a balloon, in five seconds."""

from __future__ import annotations

CAMPAIGN = """\
name = "looking"
[kernel]
base = "{base}"
[matrix]
series = "v4"
memory_mib = 64
clients = 2
machine = "pc-swap"
scenario = "short"
[scenario.short]
start_s = 2
duration_s = 3
log_records = 2000
[[scenario.short.step]]
at_s = 0
clients = {{ kind = "poll", count = "matrix" }}
[[scenario.short.step]]
at_s = 1
balloon = {{ percent = 90, settle_s = 1 }}
"""
