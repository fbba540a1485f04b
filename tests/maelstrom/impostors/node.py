#!/usr/bin/env python3
"""A small node for the workload to judge: a correct one, or, with a fault named in FAULT, one it must refuse.

Its arguments are the backends. Without any, it lists its faults. It only answers what the workload sends: malformed
input and the other errors are the real node's business.
"""

import json
import os
import sys
import time

FAULTS = {
    "none": "a correct node",
    "round-robin": "takes the backends in turn, whatever their counts",
    "last-of-a-tie": "takes the last of the backends with the fewest, not the first",
    "lowest-of-a-tie": "takes the lowest name of a tie, not the first in the pool",
    "as-strings": "compares counts as strings, so that 10 is fewer than 9",
    "modulo-16": "compares counts modulo 16",
    "wrong-choice": "takes a backend that is not the right one, once in 500 requests",
    "uncounted": "does not count one completion in 500",
    "error": "refuses one right completion in 500",
    "before": "replies with the counts from before the decision",
    "drained": "takes drained backends too",
    "forgotten-report": "decides by reported counts, but does not keep them",
    "by-position": "takes a report's counts in the pool's order, whatever their names",
    "never-used": "never sets last_used",
    "lost-reply": "does not send one reply in 500",
    "stray-line": "writes a line that is not a message, once in 500 replies",
}
FAULT = os.environ.get("FAULT", "none")
if FAULT not in FAULTS:
    sys.exit(f"FAULT must be one of: {', '.join(FAULTS)}")
if not sys.argv[1:]:
    for name, what in FAULTS.items():
        print(f"{name}: {what}")
    sys.exit()

pool = {
    name: {"active_connections": 0, "total_requests": 0, "last_used": None, "draining": False}
    for name in sys.argv[1:]
}
seen = 0


def due(fault):
    """Returns whether this fault is due now: once in 500 calls."""
    global seen
    seen += FAULT == fault
    return FAULT == fault and seen % 500 == 0


def counts():
    return {name: backend["active_connections"] for name, backend in pool.items()}


def choose(active):
    names = [name for name in pool if FAULT == "drained" or not pool[name]["draining"]]
    if FAULT == "round-robin":
        return min(names, key=lambda name: pool[name]["total_requests"])
    if FAULT == "last-of-a-tie":
        names.reverse()
    if FAULT == "lowest-of-a-tie":
        names.sort()
    if FAULT == "as-strings":
        return min(names, key=lambda name: str(active[name]))
    if FAULT == "modulo-16":
        return min(names, key=lambda name: active[name] % 16)
    if len(names) > 1 and due("wrong-choice"):
        # Of several backends, the last of those with the most is never the right one.
        return max(reversed(names), key=active.get)
    return min(names, key=active.get)


def route(body):
    report = body.get("active_connections")
    if report is not None and FAULT == "by-position":
        report = dict(zip([name for name in pool if name in report], report.values()))
    if report is not None and FAULT != "forgotten-report":
        for name, count in report.items():
            pool[name]["active_connections"] = count
    before = counts()
    name = choose({**before, **(report or {})})
    pool[name]["active_connections"] += 1
    pool[name]["total_requests"] += 1
    if FAULT != "never-used":
        pool[name]["last_used"] = time.time_ns() // 1_000_000
    if report is not None:
        return {"type": "http_response", "backend": name}
    after = before if FAULT == "before" else counts()
    return {"type": "http_response", "status": 200, "backend": name, "active_connections": after}


def answer(body):
    kind = body["type"]
    name = body.get("backend")
    if kind == "init":
        return {"type": "init_ok"}
    if kind == "http_request":
        return route(body)
    if kind == "stats":
        return {"type": "stats_ok", "backends": pool}
    if kind == "request_complete":
        if due("error") or pool[name]["active_connections"] == 0:
            return {"type": "error", "code": 22, "text": f'"{name}" has no active connections'}
        if not due("uncounted"):
            pool[name]["active_connections"] -= 1
    elif kind in ("drain", "resume"):
        pool[name]["draining"] = kind == "drain"
    return {"type": f"{kind}_ok", "backend": name, "active_connections": counts()}


for line in sys.stdin:
    message = json.loads(line)
    body = answer(message["body"])
    body["in_reply_to"] = message["body"]["msg_id"]
    if due("stray-line"):
        print("500 replies so far", flush=True)
    if not due("lost-reply"):
        print(json.dumps({"src": message["dest"], "dest": message["src"], "body": body}), flush=True)
