#!/usr/bin/env python3
"""Makes scheduler/trace/presets_azure.inc: quantiles read off the two Azure LLM inference traces of 2023.

    tools/trace_presets.py DATA/traces/azure2023 > scheduler/trace/presets_azure.inc

Run once, by hand; the figures are checked in, so that building and running need neither the traces nor Python.
"""
import datetime
import pathlib
import sys
import textwrap

BODY, FIRST_TAIL, LAST_TAIL = 127, 7, 13  # QuantileTable's layout, scheduler/trace/sample.h
POINTS = [i / (BODY + 1) for i in range(BODY)] + [1 - 2.0**-t for t in range(FIRST_TAIL, LAST_TAIL + 1)] + [1.0]
HEAD = """\
// Made by tools/trace_presets.py from the Azure LLM inference traces of 2023-11-16 (AzurePublicDataset, CC-BY 4.0;
// Patel et al., Splitwise, ISCA 2024). Quantiles at QuantileTable's points; answers by eighths of prompts by rank.
// clang-format off"""
GROUPS = 8  # of prompts by rank, each with answers of its own


def rows_of(path):
    epoch = datetime.datetime(1970, 1, 1)
    for line in path.read_text().splitlines()[1:]:
        stamp, prompt, output = line.split(",")
        whole, fraction = stamp.split(".")
        seconds = (datetime.datetime.fromisoformat(whole) - epoch) // datetime.timedelta(seconds=1)
        yield seconds * 10**9 + int(fraction.ljust(9, "0")), int(prompt), int(output)


def quantiles(values):
    values = sorted(values)
    out = []
    for p in POINTS:
        x = p * (len(values) - 1)
        i = min(int(x), len(values) - 2)
        out.append(values[i] + (x - i) * (values[i + 1] - values[i]))
    return out


def mean_of(table):
    return sum((b - a) * (x + y) / 2 for a, b, x, y in zip(POINTS, POINTS[1:], table, table[1:]))


def show(name, tables):
    print(f"constexpr QuantileTable {name}[] = {{")
    for table in tables:
        numbers = "{{" + ", ".join(str(round(x)) for x in table) + "}},"
        print(textwrap.fill(numbers, 116, initial_indent="    ", subsequent_indent="      "))
    print("};")


def show_curve(name, ns, step):
    bins = [0] * ((ns[-1] - ns[0]) // step)
    for t in ns:
        i = (t - ns[0]) // step
        if i < len(bins):
            bins[i] += 1
    bins.append((bins[0] + bins[-1]) // 2)  # of the last two minutes 22 seconds are there: closed to a ring instead
    print(textwrap.fill(f"constexpr std::uint32_t {name}[] = {{" + ", ".join(map(str, bins)) + "};", 116))


def main():
    folder = pathlib.Path(sys.argv[1])
    print(HEAD)
    for name in ("conv", "code"):
        rows = list(rows_of(folder / f"AzureLLMInferenceTrace_{name}.csv"))
        ns, prompts, outputs = zip(*rows)
        gaps = [b - a for a, b in zip(ns, ns[1:])]
        title = name.capitalize()
        totals = f"prompts {sum(prompts)} tokens, answers {sum(outputs)}"
        print(f"\n// {name}: {len(rows)} rows in {ns[-1] - ns[0]} ns, {totals}.")
        show(f"k{title}Prompt", [quantiles(prompts)])
        order = sorted(range(len(rows)), key=lambda i: prompts[i])
        eighths = [order[len(rows) * g // GROUPS : len(rows) * (g + 1) // GROUPS] for g in range(GROUPS)]
        if name == "conv":
            show(f"k{title}Output", [quantiles([outputs[i] for i in e]) for e in eighths])
            print("// Arrivals in each 120 s.")
            show_curve(f"k{title}Hour", ns, 120 * 10**9)
        else:
            show(f"k{title}Output", [quantiles(outputs)])
            gap = quantiles(gaps)
            print("// Time between arrivals as a share of its mean, Q20.")
            show(f"k{title}Gap", [[x / mean_of(gap) * 2**20 for x in gap]])


main()
