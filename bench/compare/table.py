"""The comparison as Markdown: medians, ranges, ratios, and targets met or missed."""

from __future__ import annotations

import statistics

from .items import TARGETS

AVX2_SHARE = 0.6
# Memory may not grow with images or passes: from the smallest to the largest run.
MEMORY_GROWTH = 1.2


def count(value):
    """Three digits, thousands apart."""
    if value >= 1_000:
        digits = len(str(int(value)))
        value = round(value, 3 - digits)
        return f"{value:,.0f}".replace(",", " ")
    return f"{value:.3g}"


def spread(values):
    """Median, and the range where there is one."""
    median = statistics.median(values)
    if len(values) < 2:
        return count(median)
    return f"{count(median)} [{count(min(values))}, {count(max(values))}]"


def verdict(value, bound, at_most=False):
    """Whether a target is met, and by how much."""
    met = value <= bound if at_most else value >= bound
    sign, off = ("≤" if at_most else "≥"), (value / bound - 1) * 100
    return f"{sign} {bound:g}: {'met' if met else 'MISSED'} ({off:+.0f} %)"


def groups(row):
    """Peers that are held against one target together."""
    names = dict.fromkeys(peer["target"] for peer in row["peers"])
    for name in names:
        yield name, [peer for peer in row["peers"] if peer["target"] == name]


def compared(row):
    """One line for each target of a row: names, texts and the figures behind them."""
    ours = row["quaver"]
    for name, peers in groups(row):
        best = max(peers, key=lambda peer: statistics.median(peer["rates"]))
        ratios = [q / p for q, p in zip(ours, best["rates"])]
        ratio = statistics.median(ours) / statistics.median(best["rates"])
        target = TARGETS.get((row["item"], name, row["arch"]))
        held = row["threads"] == 2 and row["topology"] == "full-precision" and target
        setting = ", ".join(
            f"batch {v}" if k == "batch" else str(v) for k, v in best["setting"].items()
        )
        yield {
            "item": row["item"],
            "title": row["title"],
            "network": f"{row['arch']} {row['topology']}",
            "threads": row["threads"],
            "quaver": spread(ours),
            "peer": f"{best['name']} ({setting}; {count(best['n'])} images)",
            "peer_rate": spread(best["rates"]),
            "ratio": ratio,
            "ratio_range": [min(ratios), max(ratios)],
            "target": target if held else None,
            "verdict": verdict(ratio, target) if held else "",
        }


def section(title, head, lines):
    """A Markdown table under a heading."""
    rule = "|".join("---" for _ in head)
    table = [f"| {' | '.join(head)} |", f"|{rule}|"]
    table += [f"| {' | '.join(line)} |" for line in lines]
    return [f"## {title}", "", *table, ""]


def summary_section(rows):
    """Full precision on the most threads: what the targets are about."""
    threads = max(row["threads"] for row in rows)
    rows = [r for r in rows if r["threads"] == threads and r["topology"] == "full-precision"]
    lines = {}
    for line in (line for row in rows for line in compared(row)):
        arch, peer = line["network"].split()[0], line["peer"].split(" (")[0]
        rates = f"{line['quaver'].split(' [')[0]} / {line['peer_rate'].split(' [')[0]}"
        cells = [peer, rates, f"{line['ratio']:.1f}×", line["verdict"]]
        lines[line["item"], line["title"], arch, peer] = [arch, *cells]
    head = ["", "work", "network", "fastest peer", "images/s, Quaver / peer", "ratio", "target"]
    table = [[*key[:2], *cells] for key, cells in lines.items()]
    return section(f"In short: full precision, {threads} threads", head, table)


def items_section(rows):
    lines = []
    for line in (line for row in rows for line in compared(row)):
        low, high = line["ratio_range"]
        ratio = f"{line['ratio']:.1f}×" + (f" [{low:.1f}, {high:.1f}]" if low != high else "")
        lines.append(
            [line["item"], line["title"], line["network"], str(line["threads"]), line["quaver"]]
            + [line["peer"], line["peer_rate"], ratio, line["verdict"]]
        )
    head = ["", "work", "network", "threads", "Quaver, images/s", "fastest peer", "images/s"]
    return section("The same work", [*head, "ratio", "target"], lines)


def paper_section(paper):
    ratio = paper["peer"] / paper["quaver"]
    target = TARGETS["g", "PyTorch", "lenet5"]
    note = f"PyTorch ({paper['layout']}; {paper['steps']} steps a topology, scaled)"
    line = [f"{paper['quaver']:.0f} s", note, f"{paper['peer']:.0f} s", f"{ratio:.1f}×"]
    head = ["Quaver", "peer", "peer, s", "ratio", "target"]
    return section("g. The whole paper, lenet5, 2 threads", head, [[*line, verdict(ratio, target)]])


def program_section(lines):
    table = []
    for what, unit, ours, theirs, most in lines:
        other = "" if theirs is None else f"{count(theirs)} {unit}"
        table.append([what, f"{count(ours)} {unit}", other, verdict(ours, most, at_most=True)])
    return section("h. The program", ["", "Quaver", "PyTorch", "target"], table)


def simd_section(rows):
    table = []
    for row in rows:
        share = statistics.median(row["avx2"]) / statistics.median(row["avx512"])
        network = f"{row['arch']} {row['topology']}"
        rates = [spread(row["avx512"]), spread(row["avx2"])]
        table.append([row["work"], network, *rates, f"{share:.2f}", verdict(share, AVX2_SHARE)])
    head = ["work", "network", "AVX-512, images/s", "AVX2", "share", "target"]
    return section("AVX2 beside AVX-512, 2 threads", head, table)


def memory_section(rows):
    smallest = min(row["peak_mb"] for row in rows)
    table = [
        [count(row["images"]), str(row["passes"]), f"{row['peak_mb']:.0f} MB"]
        + [f"{row['seconds']:.1f} s", verdict(row["peak_mb"] / smallest, MEMORY_GROWTH, True)]
        for row in rows
    ]
    head = ["images", "passes", "peak memory", "time", "of the least"]
    return section("Memory of `quaver evaluate` on drawn digits", head, table)


def checks_section(lines):
    table = [
        [what, f"{ours:.4f}", f"{theirs:.4f}", f"{bound:.3f}", "holds" if holds else "FAILS"]
        for what, ours, theirs, bound, holds in lines
    ]
    return section("Both sides compute the same", ["", "Quaver", "peer", "within", ""], table)


SECTIONS = [
    ("rows", lambda rows: summary_section(rows) + items_section(rows)),
    ("paper", paper_section),
    ("program", program_section),
    ("simd", simd_section),
    ("memory", memory_section),
    ("checks", checks_section),
]


def markdown(results):
    """All that is there so far."""
    lines = ["# Quaver beside the Python stack", "", results["machine"], ""]
    for name, render in SECTIONS:
        if results.get(name):
            lines += render(results[name])
    return "\n".join(lines)


def targets(results):
    """One line for each target that was held against something."""
    lines = [
        f"{line['item']} {line['title']}, {line['network']}: {line['ratio']:.1f}×, target {line['verdict']}"
        for row in results.get("rows", [])
        for line in compared(row)
        if line["target"]
    ]
    for name, render in SECTIONS[1:5]:
        for line in render(results[name])[4:-1] if results.get(name) else []:
            cells = [cell for cell in line.strip("| ").split(" | ") if cell.strip()]
            lines.append(f"{name}: {', '.join(cells)}")
    return lines
