"""Adapter of the rule `fetch_labels`."""

from pathlib import Path

from _adapter import run

from pesforge.published.download import download


def work(job):
    target = Path(job.output.labels)
    digest = download(job.params.url, target, sha256=job.params.sha256, record=Path(job.params.record))
    return f"{target.name}: {target.stat().st_size / 1e6:.1f} MB, SHA-256 {digest[:16]}…"


run(snakemake, work)
