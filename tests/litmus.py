"""C++20's rules for atomics, as axioms over one small execution: is it allowed?

A second checker for tests/mutation.py, where Relacy cannot tell: it keeps the seq_cst of 2011, in which what happens
before is before in the one order too. Since 2020 (P0668, after Lahav et al., PLDI 2017) only what strongly happens
before is: a release that is acquired does so only where both are seq_cst, or where more of both threads is around it.

An execution is a list of Events with the values that they read and write; values of one place are all different, so
who reads from whom is given, and the order of the writes of a place is the order of `mo`. Without fences and plain
values.
"""
import itertools
from dataclasses import dataclass
from typing import Optional

ACQUIRES = ("acquire", "acq_rel", "seq_cst")
RELEASES = ("release", "acq_rel", "seq_cst")


@dataclass(frozen=True)
class Event:
    thread: int  # -1: before all others
    place: str
    order: str
    reads: Optional[int] = None
    writes: Optional[int] = None


def closure(pairs):
    pairs = set(pairs)
    while True:
        more = {(a, d) for a, b in pairs for c, d in pairs if b == c} - pairs
        if not more:
            return pairs
        pairs |= more


def compose(first, second):
    return {(a, d) for a, b in first for c, d in second if b == c}


def cyclic(pairs):
    return any(a == b for a, b in closure(pairs))


def allowed(events, mo):
    """events: in the order of the program within each thread; mo: by place, the values in their order."""
    n = range(len(events))
    starts = [i for i in n if events[i].thread < 0]
    sb = {(i, j) for i, j in itertools.product(n, n) if i < j and events[i].thread == events[j].thread}
    sb |= {(i, j) for i in starts for j in n if j not in starts}
    of_value = {(e.place, e.writes): i for i, e in enumerate(events) if e.writes is not None}
    rf = {(of_value[e.place, e.reads], i) for i, e in enumerate(events) if e.reads is not None}
    at = {i: mo[e.place].index(e.writes) for i, e in enumerate(events) if e.writes is not None}
    mod = {(i, j) for i in at for j in at if events[i].place == events[j].place and at[i] < at[j]}
    rb = {(r, w) for s, r in rf for w in at if (s, w) in mod and r != w}
    eco = closure(rf | mod | rb)
    is_rmw = [e.reads is not None and e.writes is not None for e in events]

    sw = set()  # a release, and the read-modify-writes that go on from it, with an acquire that reads any of them
    for head in at:
        if events[head].order not in RELEASES:
            continue
        sequence, grew = {head}, True
        while grew:
            grew = False
            for s, r in rf:
                if s in sequence and is_rmw[r] and r not in sequence:
                    sequence.add(r)
                    grew = True
        sw |= {(head, r) for s, r in rf if s in sequence and events[r].order in ACQUIRES}
    hb = closure(sb | sw)

    if any(a == b for a, b in hb) or any(a == b for a, b in compose(hb, eco)):
        return False  # coherence
    if any((r, w) in rb and (w, r) in mod for r in n if is_rmw[r] for w in n):
        return False  # a read-modify-write reads the last value before its own
    strongly = closure(sb | {(a, b) for a, b in sw if events[a].order == events[b].order == "seq_cst"} |
                       compose(compose(sb, hb), sb))
    one = {i for i in n if events[i].order == "seq_cst"}
    return not cyclic({(a, b) for a, b in strongly | eco if a in one and b in one})


def task_deque_taken_twice(order):
    """Two items; one thief took item 0 and another, which saw that, item 1, while the owner pops item 1.

    order: by the number that task_deque.h gives it. Forbidden: the owner does not see that item 0 is gone, and the
    second thief does not see the owner's announcement.
    """
    events = [
        Event(-1, "top", "relaxed", writes=0),
        Event(-1, "bottom", "relaxed", writes=2),
        Event(0, "bottom", order[3], writes=1),
        Event(0, "top", order[4], reads=0),
        Event(1, "top", order[7], reads=0),
        Event(1, "bottom", order[5], reads=2),
        Event(1, "top", order[6], reads=0, writes=1),
        Event(2, "top", order[7], reads=1),
        Event(2, "bottom", order[5], reads=2),
        Event(2, "top", order[6], reads=1, writes=2),
    ]
    return allowed(events, {"top": [0, 1, 2], "bottom": [2, 1]})


# By header: what may not be, and where its numbered orders stand.
LITMUS = {
    "task_deque": (
        ("an item taken twice", task_deque_taken_twice),
        {
            3: r"bottom_\.store\(bottom, std::memory_order_(\w+)\)",
            4: r"const std::uint64_t top = top_\.load\(std::memory_order_(\w+)\)",
            5: r"const std::uint64_t bottom = bottom_\.load\(std::memory_order_(\w+)\);\s*// \(5\)",
            6: r"top_\.compare_exchange_strong\(top, top \+ 1, std::memory_order_(\w+),",
            7: r"  std::uint64_t top = top_\.load\(std::memory_order_(\w+)\)",
        },
    ),
}


def self_test():
    """Known shapes: store buffering, message passing, and independent reads of independent writes."""
    def start(*places):
        return [Event(-1, p, "relaxed", writes=0) for p in places]

    def buffering(w, r):
        return allowed(start("x", "y") + [Event(0, "x", w, writes=1), Event(0, "y", r, reads=0),
                                          Event(1, "y", w, writes=1), Event(1, "x", r, reads=0)],
                       {"x": [0, 1], "y": [0, 1]})

    def passing(w, r):
        return allowed(start("x", "y") + [Event(0, "x", "relaxed", writes=1), Event(0, "y", w, writes=1),
                                          Event(1, "y", r, reads=1), Event(1, "x", "relaxed", reads=0)],
                       {"x": [0, 1], "y": [0, 1]})

    def independent(w, r):
        return allowed(start("x", "y") + [Event(0, "x", w, writes=1), Event(1, "y", w, writes=1),
                                          Event(2, "x", r, reads=1), Event(2, "y", r, reads=0),
                                          Event(3, "y", r, reads=1), Event(3, "x", r, reads=0)],
                       {"x": [0, 1], "y": [0, 1]})

    assert not buffering("seq_cst", "seq_cst") and buffering("release", "acquire")
    assert buffering("release", "seq_cst") and buffering("seq_cst", "acquire")
    assert not passing("release", "acquire") and passing("relaxed", "acquire") and passing("release", "relaxed")
    assert not independent("seq_cst", "seq_cst") and independent("release", "acquire")


if __name__ == "__main__":
    self_test()
    shipped = dict.fromkeys((3, 4, 5, 6, 7), "seq_cst")
    assert not task_deque_taken_twice(shipped)
    assert task_deque_taken_twice({**shipped, 7: "acquire"})
