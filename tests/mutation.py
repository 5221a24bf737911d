#!/usr/bin/env python3
"""Weakens each memory order of scheduler/sync in turn and expects some checker to turn red.

    tests/mutation.py [--headers NAME...] [--jobs N]

An order that nothing sees weakened is either not needed or not tested. For each order that is not relaxed and each next
weaker one: the header with that one order weakened compiles, passes its single-thread test (so that the test of threads
is what sees it), and its Relacy model turns red; where the model cannot, C++20's axioms over one execution
(tests/litmus.py), or the stress test under ThreadSanitizer. Prints a line for each: where, which order, weakened to
what, who saw it, and in how many executions. Exit status: 0 where all were seen.

Needs g++, Relacy, GoogleTest; clang++-19 for ThreadSanitizer. A quarter of a minute of CPU for each order; minutes where ThreadSanitizer is asked.
"""
import argparse
import concurrent.futures
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

import litmus

ROOT = pathlib.Path(__file__).resolve().parent.parent
SYNC = ROOT / "scheduler" / "sync"

# The single-thread test of a header, and which of its tests are that; else <name>_test, all of it.
SINGLE = {
    "flag": ("sync_test", "Flag.*"),
    "number_set": ("sync_test", "NumberSet.*"),
    "inbox": ("sync_test", "Inbox.*-*UnderLoad"),
    "parking": ("event_count_test", "*"),
    "number_ring": ("pieces_test", "NumberRing.*:Hatch.*"),
    "roster": ("pieces_test", "RosterRules.*"),
    "countdown": ("pieces_test", "CountdownRules.*"),
}
# The stress of a header; else <name>_stress_test.
STRESS = {"event_count": "parking_stress_test", "number_ring": "pieces_stress_test", "roster": "pieces_stress_test"}

SOURCES = ("scheduler/sync/futex.cpp", "scheduler/sync/thread_time.cpp", "scheduler/base/check.cpp")

LOAD = {"seq_cst": ["acquire"], "acquire": ["relaxed"]}
STORE = {"seq_cst": ["release"], "release": ["relaxed"]}
BOTH = {"seq_cst": ["acq_rel"], "acq_rel": ["acquire", "release"], "acquire": ["relaxed"], "release": ["relaxed"]}
CALL = re.compile(r"(\w+)(?:\[[^\]]*\])?\s*\.\s*(load|store|exchange|fetch_\w+|compare_exchange_\w+)\s*\(|\b(fence)\s*\(")
ORDER = re.compile(r"memory_order(?:_|::)(acquire|release|acq_rel|seq_cst)\b")
WARNINGS = ["-w"]
FLAGS = ["-std=c++20", "-fno-sized-deallocation"]
MINUTES = 5


class Mutant:
    def __init__(self, header, text, at, order, weaker, call):
        self.header, self.order, self.weaker, self.call = header, order, weaker, call
        self.line = text.count("\n", 0, at.start()) + 1
        self.text = text[: at.start(1)] + weaker + text[at.end(1):]


def code_of(text):
    """The text with its comments blanked, every character in its place."""
    return re.sub(r"//[^\n]*", lambda m: " " * len(m.group()), text)


def mutants_of(header):
    text = (SYNC / f"{header}.h").read_text()
    code = code_of(text)
    found = []
    for at in ORDER.finditer(code):
        calls = [c for c in CALL.finditer(code, 0, at.start())]
        call = calls[-1]
        name = call.group(3) or call.group(2)
        orders_before = len(re.findall(r"memory_order", code[call.end(): at.start()]))
        fails = name.startswith("compare_exchange") and orders_before > 0
        table = LOAD if name == "load" or fails else STORE if name == "store" else BOTH
        what = f"{call.group(1)}.{name}" if call.group(1) else name
        for weaker in table[at.group(1)]:
            found.append(Mutant(header, text, at, at.group(1), weaker, what + (", failed" if fails else "")))
    return found


def default_orders(header):
    """Calls of atomics without an order, which would be seq_cst unsaid."""
    code = code_of((SYNC / f"{header}.h").read_text())
    missing = []
    for call in CALL.finditer(code):
        depth, end = 1, call.end()
        while depth and end < len(code):
            depth += {"(": 1, ")": -1}.get(code[end], 0)
            end += 1
        if "memory_order" not in code[call.end(): end]:
            missing.append(f"scheduler/sync/{header}.h:{code.count(chr(10), 0, call.start()) + 1}: no order given")
    return missing


class Bench:
    """A folder with the object files that every mutant links."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.objects = []
        for source in SOURCES:
            self.objects.append(self.folder / (pathlib.Path(source).stem + ".o"))
            run(["g++", *FLAGS, "-O1", f"-I{ROOT}", "-c", ROOT / source, "-o", self.objects[-1]])

    def build(self, mutant, source, name, flags, compiler="g++", link=()):
        place = self.folder / f"{mutant.header}_{mutant.line}_{mutant.order}_{mutant.weaker}"
        header = place / "scheduler" / "sync" / f"{mutant.header}.h"
        header.parent.mkdir(parents=True, exist_ok=True)
        header.write_text(mutant.text)
        program = place / name
        run([compiler, *FLAGS, *WARNINGS, *flags, f"-I{place}", f"-I{ROOT}", f"-I{ROOT}/scheduler", ROOT / source,
             "-o", program, *link, "-lfmt"])
        return program


def run(command):
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(" ".join(str(c) for c in command) + "\n" + done.stdout + done.stderr)


def first_red(program):
    """Returns: the line of the first red suite, or empty; ends the model there."""
    with subprocess.Popen([program], stdout=subprocess.PIPE, text=True, errors="replace") as model:
        for line in model.stdout:
            if ": red, " in line:
                model.kill()
                return line.strip()
    return "" if model.returncode == 0 else f"ended with {model.returncode}"


def seen_by_litmus(mutant):
    if mutant.header not in litmus.LITMUS:
        return ""
    (name, law), places = litmus.LITMUS[mutant.header]
    orders = {number: re.search(place, mutant.text).group(1) for number, place in places.items()}
    return f"litmus: {name}" if law(orders) else ""


def seen_by_tsan(bench, mutant):
    if not shutil.which("clang++-19"):
        return ""
    name = STRESS.get(mutant.header, f"{mutant.header}_stress_test")
    if not (ROOT / "tests" / f"{name}.cpp").exists():
        return ""
    sources = [str(ROOT / source) for source in SOURCES]
    program = bench.build(mutant, f"tests/{name}.cpp", "tsan", ["-O1", "-g1", "-fsanitize=thread"], "clang++-19",
                          [*sources, "-lgtest", "-lgtest_main"])
    try:
        red = subprocess.run([program], capture_output=True, timeout=60 * MINUTES).returncode != 0
    except subprocess.TimeoutExpired:
        red = True
    return f"ThreadSanitizer: {name}" if red else ""


def judge(bench, mutant):
    """Returns: (seen, line)."""
    where = f"scheduler/sync/{mutant.header}.h:{mutant.line}"
    head = f"{where:36} {mutant.call:32} {mutant.order:8} -> {mutant.weaker:8}"
    test, which = SINGLE.get(mutant.header, (f"{mutant.header}_test", "*"))
    program = bench.build(mutant, f"tests/{test}.cpp", "single", ["-O0"], link=[*bench.objects, "-lgtest", "-lgtest_main"])
    try:
        single = subprocess.run([program, f"--gtest_filter={which}"], capture_output=True, text=True, timeout=60 * MINUTES)
    except subprocess.TimeoutExpired:
        return False, f"{head} {test} does not end"
    if single.returncode:
        return False, f"{head} {test} is red already"
    if " 0 tests" in single.stdout:
        return False, f"{head} {test} has no test of it"
    model = bench.build(mutant, f"tests/models/{mutant.header}_model.cpp", "model", ["-O2"], link=bench.objects)
    red = first_red(model)
    if red:
        found = re.match(r"(.*): red, (\d+) executions", red)
        return True, f"{head} {found.group(1)}, {found.group(2)} executions" if found else f"{head} model {red}"
    seen = seen_by_litmus(mutant) or seen_by_tsan(bench, mutant)
    return bool(seen), f"{head} {seen or 'NOT SEEN'}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--headers", nargs="*", help="names in scheduler/sync without .h; all where none is given")
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    litmus.self_test()

    headers = options.headers or sorted(p.stem for p in SYNC.glob("*.h"))
    mutants, bad = [], 0
    for header in headers:
        found = mutants_of(header)
        for line in default_orders(header):
            print(line)
            bad += 1
        if found and not (ROOT / "tests" / "models" / f"{header}_model.cpp").exists():
            print(f"scheduler/sync/{header}.h: {len(found)} orders and no tests/models/{header}_model.cpp")
            bad += 1
            continue
        mutants += found
    with tempfile.TemporaryDirectory(prefix="yard_mutation_") as folder:
        bench = Bench(folder)
        with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
            for seen, line in pool.map(lambda m: judge(bench, m), mutants):
                print(line, flush=True)
                bad += not seen
    print(f"{len(mutants)} weakened, {bad} findings")
    return 1 if bad or not mutants else 0


if __name__ == "__main__":
    sys.exit(main())
