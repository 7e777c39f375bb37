"""The demo's report: a JSON file, and tables for people."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

_SHOWN = 3


def write(report: dict[str, Any], path: Path) -> None:
    """The report as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def show(report: dict[str, Any], console: Console) -> None:
    """The report as tables."""
    console.print(_counts(report["counts"]))
    console.print(_verdicts(report["night"]["verdicts"]))
    console.print(_quality(report["use_cases"]))
    console.print(_notes(report["use_cases"]), highlight=False)
    for sample in report["samples"]:
        console.print(_sample(sample), highlight=False, markup=False)
    latency = report["latency_ms"]
    console.print(
        f"A view acknowledged by Kafka is new recommendations in the store after {latency['p50']} ms (median), "
        f"{latency['p99']} ms (99 %), measured {latency['n']} times.", highlight=False,
    )  # fmt: skip
    console.print(_seconds(report["seconds"]), highlight=False)
    console.print(f"The night's report: {report['night']['report']}", highlight=False)
    console.print(f"Peak memory of all processes together: {report['peak_memory_gib']} GiB.", highlight=False)


def _counts(counts: dict[str, int]) -> Table:
    table = Table("", "records", title="What became of what was streamed", title_justify="left")
    table.add_row("produced = archived + quarantined", f"{counts['produced']:,}")
    for name in ("archived", "quarantined"):
        table.add_row(f"  {name}", f"{counts[name]:,}")
    table.add_row("archived = applied + duplicates + late", f"{counts['archived']:,}")
    for name in ("applied", "duplicates", "late"):
        table.add_row(f"  {name}", f"{counts[name]:,}")
    return table


def _verdicts(verdicts: dict[str, Any]) -> Table:
    table = Table(title="The gate on the night's models", title_justify="left")
    for heading in ("use case", "verdict", "by"):
        table.add_column(heading)
    for use_case, verdict in verdicts.items():
        sentences = [check["sentence"] for check in verdict["checks"]]
        table.add_row(use_case, "accepted" if verdict["accepted"] else "refused", "\n".join(sentences))
    return table


def _quality(use_cases: dict[str, Any]) -> Table:
    table = Table(title="At the half of the stream, judged by the rest (higher is better)", title_justify="left")
    for heading in ("use case", "metric", "batch only", "speed only", "arbitrated", "± se", "baseline", "cases"):
        table.add_column(heading)
    for name, row in use_cases.items():
        figures = [f"{row[figure]:.3f}" for figure in ("batch", "speed", "arbitrated", "standard_error", "baseline")]
        table.add_row(name, row["metric"], *figures, str(row["cases"]))
    return table


def _notes(use_cases: dict[str, Any]) -> str:
    recommend, churn, sentiment = use_cases["recommend"], use_cases["churn"], use_cases["sentiment"]
    fifth = recommend["last_fifth"]
    return "\n".join([
        f"recommend: {recommend['cases']} viewers, {recommend['known_to_batch']} of them known to the batch layer: too "
        f"few to tell fine differences. Gain over popularity, viewer by viewer: "
        f"{recommend['gain_over_baseline']:.3f} ± {recommend['gain_error']:.3f}.",
        f"recommend, every viewer's last fifth: nDCG@10 {fifth['model']} ± {fifth['standard_error']}, "
        f"popularity {fifth['popular']} ({fifth['cases']} viewers).",
        f"churn: AUC {churn['auc']} on {churn['cases']} customers never seen in training.",
        f"sentiment: {sentiment['post_accuracy']:.1%} ± {sentiment['post_accuracy_error']:.1%} of {sentiment['posts']} "
        "posts told right, about films never seen in training.",
    ])  # fmt: skip


def _sample(sample: dict[str, Any]) -> str:
    lines = [f"{sample['entity']}: {sample['decision']['sentence']}"]
    for layer in ("batch", "speed"):
        record = sample[layer]
        said = f"{record['value']['titles'][:_SHOWN]} as of {record['as_of']}" if record else "nothing"
        lines.append(f"  {layer} says {said}")
    items = sample["answer"]["value"]["items"][:_SHOWN]
    return "\n".join([*lines, f"  answer: {', '.join(str(item['name']) for item in items)}"])


def _seconds(seconds: dict[str, float]) -> str:
    return "Seconds: " + ", ".join(f"{stage} {taken:.0f}" for stage, taken in seconds.items()) + "."
