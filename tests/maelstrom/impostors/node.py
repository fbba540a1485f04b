#!/usr/bin/env python3
"""A small node for the workload to judge: a correct one, or, with a fault named in FAULT, one it must refuse.

Its arguments are the backends. Without any, it lists its faults. It knows what the workload sends, and no more:
input that is not JSON and open pools are the real node's business.
"""

import json
import os
import struct
import sys
import time

FAULTS = {
    "none": "a correct node",
    "round-robin": "takes the backends in turn, whatever their counts",
    "last-of-a-tie": "takes the last of the backends with the fewest, not the first",
    "lowest-of-a-tie": "takes the lowest name of a tie, not the first in the pool",
    "prefix": "takes the first backend whose name begins with the one given",
    "as-strings": "compares counts as strings, so that 10 is fewer than 9",
    "modulo-16": "compares counts modulo 16",
    "float32": "keeps reported counts as 32-bit floats",
    "wrong-choice": "takes a backend that is not the right one, once in 500 requests",
    "uncounted": "does not count one completion in 500",
    "error": "refuses one right completion in 500",
    "before": "replies with the counts from before the decision",
    "drained": "takes drained backends too",
    "all-drained": "takes a drained backend when there is no other",
    "second-drain": "resumes a backend that is drained a second time",
    "forgotten-report": "decides by reported counts, but does not keep them",
    "by-position": "takes a report's counts in the pool's order, whatever their names",
    "null-report": "gives the short reply when active_connections is null",
    "half-report": "takes the known names of a report that has an unknown one",
    "at-zero": "completes at a backend that has none active",
    "never-used": "never sets last_used",
    "touched": "moves last_used with a completion, too",
    "integer-echo": "writes 1.0 in an echo as 1",
    "drained-forever": "keeps what is drained at a second init",
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

REQUIRED = {
    "init": [],
    "http_request": [],
    "request_complete": ["backend"],
    "drain": ["backend"],
    "resume": ["backend"],
    "stats": [],
    "echo": ["echo"],
}
pool = {}
seen = 0


class Refused(Exception):
    """A request that gets an error. Its arguments are the code and the text."""


def due(fault):
    """Returns whether this fault is due now: once in 500 calls."""
    global seen
    seen += FAULT == fault
    return FAULT == fault and seen % 500 == 0


def names(value):
    """Returns whether this is a list of different names."""
    return type(value) is list and all(type(name) is str for name in value) and len(set(value)) == len(value)


def report(value):
    """Returns whether this is an object of names and counts."""
    return type(value) is dict and all(type(count) is int and 0 <= count < 2**53 for count in value.values())


def text(value):
    """Returns whether this is a string."""
    return type(value) is str


KEYS = {
    "type": text,
    "backends": names,
    "algorithm": text,
    "node_id": text,
    "node_ids": names,
    "active_connections": report,
    "backend": text,
}


def check(body):
    """Refuses a body that is malformed, or asks for what this node does not know."""
    for key, right in KEYS.items():
        if body.get(key) is not None and not right(body[key]):
            raise Refused(12, f"{key} is not of its type: {body[key]}")
    if body.get("type") is None:
        raise Refused(12, "type is missing")
    if body["type"] not in REQUIRED:
        raise Refused(10, f"unknown message type: {body['type']}")
    for key in REQUIRED[body["type"]]:
        if key not in body or key == "backend" and body[key] is None:
            raise Refused(12, f"{key} is missing")
    if body.get("algorithm") not in (None, "least-connections"):
        raise Refused(10, f"unknown algorithm: {body['algorithm']}")


def known(wanted, backends):
    """Refuses names that are not among the backends."""
    for name in wanted:
        if name not in backends:
            raise Refused(20, f"unknown backend: {name}")


def counts():
    return {name: backend["active_connections"] for name, backend in pool.items()}


def touch(name):
    pool[name]["last_used"] = time.time_ns() // 1_000_000


def take(reported):
    """Replaces the counts of the backends that a report names."""
    if FAULT == "by-position":
        reported = dict(zip([name for name in pool if name in reported], reported.values()))
    for name, count in reported.items():
        if FAULT == "float32":
            (count,) = map(int, struct.unpack("f", struct.pack("f", count)))
        pool[name]["active_connections"] = count


def init(body):
    backends, reported = body.get("backends"), body.get("active_connections") or {}
    backends = sys.argv[1:] if backends is None else backends
    known(reported, backends)
    drained = [name for name in pool if pool[name]["draining"] and FAULT == "drained-forever"]
    pool.clear()
    for name in backends:
        draining = name in drained
        pool[name] = {"active_connections": 0, "total_requests": 0, "last_used": None, "draining": draining}
    take(reported)


def choose(free, active):
    if FAULT == "round-robin":
        return min(free, key=lambda name: pool[name]["total_requests"])
    if FAULT == "last-of-a-tie":
        free.reverse()
    if FAULT == "lowest-of-a-tie":
        free.sort()
    if FAULT == "as-strings":
        return min(free, key=lambda name: str(active[name]))
    if FAULT == "modulo-16":
        return min(free, key=lambda name: active[name] % 16)
    if len(free) > 1 and due("wrong-choice"):
        # Of several backends, the last of those with the most is never the right one.
        return max(reversed(free), key=active.get)
    return min(free, key=active.get)


def route(body):
    reported = body.get("active_connections") or {}
    if FAULT == "half-report":
        take({name: count for name, count in reported.items() if name in pool})
    known(reported, pool)
    free = [name for name in pool if FAULT == "drained" or not pool[name]["draining"]]
    if FAULT == "all-drained":
        free = free or list(pool)
    if not free:
        raise Refused(11, "nothing to route to")
    own = counts()
    take(reported)
    name = choose(free, counts())
    if FAULT == "forgotten-report":
        take(own)
    before = counts()
    pool[name]["active_connections"] += 1
    pool[name]["total_requests"] += 1
    if FAULT != "never-used":
        touch(name)
    short = "active_connections" in body if FAULT == "null-report" else body.get("active_connections") is not None
    if short:
        return {"type": "http_response", "backend": name}
    after = before if FAULT == "before" else counts()
    return {"type": "http_response", "status": 200, "backend": name, "active_connections": after}


def complete(name):
    if due("error") or pool[name]["active_connections"] == 0:
        if FAULT != "at-zero":
            raise Refused(22, f"nothing to complete: {name}")
    elif not due("uncounted"):
        pool[name]["active_connections"] -= 1
    if FAULT == "touched" and pool[name]["last_used"]:
        touch(name)


def answer(body):
    check(body)
    kind = body["type"]
    if kind == "init":
        init(body)
        return {"type": "init_ok"}
    if kind == "http_request":
        return route(body)
    if kind == "stats":
        return {"type": "stats_ok", "backends": pool}
    if kind == "echo":
        whole = FAULT == "integer-echo" and type(body["echo"]) is float and body["echo"].is_integer()
        return {"type": "echo_ok", "echo": int(body["echo"]) if whole else body["echo"]}
    name = body["backend"]
    if FAULT == "prefix":
        name = next((longer for longer in pool if longer.startswith(name)), name)
    known([name], pool)
    if kind == "request_complete":
        complete(name)
    else:
        again = FAULT == "second-drain" and pool[name]["draining"]
        pool[name]["draining"] = kind == "drain" and not again
    return {"type": f"{kind}_ok", "backend": name, "active_connections": counts()}


def is_reply(body):
    kind = str(body.get("type"))
    return body.get("in_reply_to") is not None or kind in ("error", "http_response") or kind.endswith("_ok")


for line in sys.stdin:
    message = json.loads(line)
    if is_reply(message["body"]):
        continue
    try:
        body = answer(message["body"])
    except Refused as error:
        code, reason = error.args
        body = {"type": "error", "code": code, "text": reason}
    body["in_reply_to"] = message["body"]["msg_id"]
    if due("stray-line"):
        print("500 replies so far", flush=True)
    if not due("lost-reply"):
        print(json.dumps({"src": message["dest"], "dest": message["src"], "body": body}), flush=True)
