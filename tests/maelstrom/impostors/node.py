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
    "wrong-choice": "takes a backend that is not the right one, once in 200 requests",
    "uncounted": "does not count one completion in 200",
    "error": "refuses one right completion in 200",
    "before": "replies with the counts from before the decision",
    "drained": "takes drained backends too",
    "all-drained": "takes a drained backend when there is no other",
    "second-drain": "resumes a backend that is drained a second time",
    "forgotten-report": "decides by reported counts, but does not keep them",
    "by-position": "takes a report's counts in the pool's order, whatever their names",
    "null-report": "gives the short reply when active_connections is null",
    "half-report": "takes the known names of a report that has an unknown one",
    "float-count": "takes 1.0 for a count",
    "doubles": "keeps its own counts as 64-bit floats",
    "16-bits": "keeps total_requests in 16 bits",
    "at-zero": "completes at a backend that has none active",
    "never-used": "never sets last_used",
    "touched": "moves last_used with a completion, too",
    "integer-echo": "writes 1.0 in an echo as 1",
    "drained-forever": "keeps what is drained at an init without backends",
    "add-first": "puts an added backend first in the order",
    "add-again": "resets a backend that is added though it is there",
    "old-counts": "gives a backend that is added again its old counts",
    "old-index": "after a removal, takes the backend at the old index of the right one",
    "busy": "refuses to remove a backend with active connections",
    "removed": "takes completions at a backend that was removed",
    "lost-drains": "puts drained backends back when another one is removed",
    "every-field": "refuses a wrong value in a field of another type",
    "repeats": "takes the last count of a name that a report repeats",
    "algorithm-first": "names an unknown algorithm before a malformed field",
    "no-text": "sends errors without a text",
    "lost-reply": "does not send one reply in 200",
    "sent-twice": "sends the 200th http_response twice",
    "stray-line": "writes a line that is not a message, once in 200 replies",
}
FAULT = os.environ.get("FAULT", "none")
if FAULT not in FAULTS:
    sys.exit(f"FAULT must be one of: {', '.join(FAULTS)}")
if not sys.argv[1:]:
    for name, what in FAULTS.items():
        print(f"{name}: {what}")
    sys.exit()

REPEATED = object()  # The value of a key that repeats. It is not of any type.
pool = {}
removed = {}
order = []  # The names of the pool, with those that were removed since the last init or add.
seen = 0


class Refused(Exception):
    """A request that gets an error. Its arguments are the code and the text."""


def due(fault):
    """Returns whether this fault is due now: once in 200 calls."""
    global seen
    seen += FAULT == fault
    return FAULT == fault and seen % 200 == 0


def unique(pairs):
    """Returns the object of these keys and values."""
    value = dict(pairs)
    if len(value) < len(pairs) and FAULT != "repeats":
        keys = [key for key, _ in pairs]
        value.update((key, REPEATED) for key in keys if keys.count(key) > 1)
    return value


def is_string(value):
    return type(value) is str


def is_name(value):
    return is_string(value) and value != ""


def is_strings(value):
    return type(value) is list and all(map(is_string, value))


def is_pool(value):
    return is_strings(value) and all(map(is_name, value)) and len(set(value)) == len(value)


def is_count(value):
    whole = type(value) is int or FAULT == "float-count" and type(value) is float and value.is_integer()
    return whole and 0 <= value < 2**53


def is_report(value):
    return type(value) is dict and all(map(is_name, value)) and all(map(is_count, value.values()))


ROUTING = {"algorithm": is_string, "active_connections": is_report}
FIELDS = {
    "init": {"backends": is_pool, "node_id": is_string, "node_ids": is_strings, **ROUTING},
    "http_request": ROUTING,
    "request_complete": {"backend": is_string},
    "drain": {"backend": is_string},
    "resume": {"backend": is_string},
    "add": {"backend": is_name},
    "remove": {"backend": is_string},
    "stats": {},
    "echo": {},
}


def check(body):
    """Refuses a body that is malformed, or asks for what this node does not know."""
    kind = body.get("type")
    if not is_string(kind):
        raise Refused(12, f"type is missing or wrong: {kind}")
    if kind not in FIELDS:
        raise Refused(10, f"unknown message type: {kind}")
    fields = {**FIELDS["init"], **FIELDS["drain"], **FIELDS[kind]} if FAULT == "every-field" else FIELDS[kind]
    if FAULT == "algorithm-first":
        check_algorithm(body, fields)
    for key, is_right in fields.items():
        if body.get(key) is not None and not is_right(body[key]):
            raise Refused(12, f"{key} is wrong: {body[key]}")
    if "backend" in FIELDS[kind] and body.get("backend") is None or kind == "echo" and "echo" not in body:
        raise Refused(12, f"a field of {kind} is missing")
    check_algorithm(body, fields)


def check_algorithm(body, fields):
    algorithm = body.get("algorithm") if "algorithm" in fields else None
    if is_string(algorithm) and algorithm != "least-connections":
        raise Refused(10, f"unknown algorithm: {algorithm}")


def known(wanted, backends):
    """Refuses names that are not among the backends."""
    for name in wanted:
        if name not in backends:
            raise Refused(20, f"unknown backend: {name}")


def fresh(draining=False):
    return {"active_connections": 0, "total_requests": 0, "last_used": None, "draining": draining}


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
    kept = FAULT == "drained-forever" and backends is None
    drained = [name for name in pool if pool[name]["draining"] and kept]
    backends = sys.argv[1:] if backends is None else backends
    known(reported, backends)
    pool.clear()
    pool.update((name, fresh(name in drained)) for name in backends)
    removed.clear()
    order[:] = pool
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
    if FAULT == "old-index":
        name = list(pool)[order.index(name) % len(pool)]
    if FAULT == "forgotten-report":
        take(own)
    before = counts()
    pool[name]["active_connections"] += 1
    pool[name]["total_requests"] += 1
    if FAULT == "doubles":
        pool[name]["active_connections"] = int(float(pool[name]["active_connections"]))
    if FAULT == "16-bits":
        pool[name]["total_requests"] %= 2**16
    if FAULT != "never-used":
        touch(name)
    short = "active_connections" in body if FAULT == "null-report" else body.get("active_connections") is not None
    if short:
        return {"type": "http_response", "backend": name}
    after = before if FAULT == "before" else counts()
    return {"type": "http_response", "status": 200, "backend": name, "active_connections": after}


def complete(name):
    if pool[name]["active_connections"] == 0:
        if FAULT != "at-zero":
            raise Refused(22, f"nothing to complete: {name}")
    elif due("error"):
        raise Refused(22, f"nothing to complete: {name}")
    elif not due("uncounted"):
        pool[name]["active_connections"] -= 1
    if FAULT == "touched" and pool[name]["last_used"]:
        touch(name)


def add(name):
    if name in pool and FAULT != "add-again":
        raise Refused(21, f"there already: {name}")
    rest = dict(pool)
    if FAULT == "add-first":
        pool.clear()
    pool[name] = removed.pop(name, fresh()) if FAULT == "old-counts" else fresh()
    pool.update((other, rest[other]) for other in rest if other != name)
    order[:] = pool


def remove(name):
    if FAULT == "busy" and pool[name]["active_connections"] > 0:
        raise Refused(22, f"not idle: {name}")
    removed[name] = pool.pop(name)
    if FAULT == "lost-drains":
        for backend in pool.values():
            backend["draining"] = False


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
    if kind == "add":
        add(name)
    elif FAULT == "removed" and kind == "request_complete" and name in removed and name not in pool:
        pass
    else:
        known([name], pool)
        if kind == "request_complete":
            complete(name)
        elif kind == "remove":
            remove(name)
        else:
            again = FAULT == "second-drain" and pool[name]["draining"]
            pool[name]["draining"] = kind == "drain" and not again
    return {"type": f"{kind}_ok", "backend": name, "active_connections": counts()}


def is_reply(body):
    kind = str(body.get("type"))
    return body.get("in_reply_to") is not None or kind in ("error", "http_response") or kind.endswith("_ok")


for line in sys.stdin:
    message = json.loads(line, object_pairs_hook=unique)
    if is_reply(message["body"]):
        continue
    try:
        body = answer(message["body"])
    except Refused as error:
        code, reason = error.args
        body = {"type": "error", "code": code, "text": "" if FAULT == "no-text" else reason}
    body["in_reply_to"] = message["body"]["msg_id"]
    if due("stray-line"):
        print("200 replies so far", flush=True)
    if due("lost-reply"):
        continue
    reply = json.dumps({"src": message["dest"], "dest": message["src"], "body": body})
    print(reply, flush=True)
    if body["type"] == "http_response" and due("sent-twice") and seen == 200:
        print(reply, flush=True)
