"""The suite overhead: what security and observation cost a server that takes samples.

    overhead.py LAUNCHER RESULTS.json COMMIT [--quick]

For each feature two servers run at once, one without it and one with it. Each takes the same samples over TCP from the same process, in
turns; ten pairs. The CPU time of a server a GB is compared pair by pair.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import platform
import statistics
import subprocess
import tempfile
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import datainf
import grpc
import numpy as np

WIDTH = 393_216  # 1.5 MB a sample
BATCH = 4
PAIRS = 10
WARM_UP_PAIRS = 2
TARGET = 1.05
SCRAPE_SECONDS = 1.0
TOKEN = "token-of-the-load-test"
TOKENS = '- {{name: loadtest, sha256: "{}", scopes: [ingest, admin, metrics]}}\n'


class Server:
    """A server of ours and a client of it."""

    def __init__(self, launcher: str, folder: Path, options: list[str], *, tls: bool, token: bool) -> None:
        folder.mkdir()
        command = [launcher, "serve", f"--data-dir={folder / 'data'}", "--listen=127.0.0.1:0", "--http=127.0.0.1:0"]
        command += [f"--ready-file={folder / 'ready'}", "--memory-budget=2GiB", "--durability=none", *options]
        self._log = open(folder / "log", "wb")
        self._process = subprocess.Popen(command, stdout=self._log, stderr=self._log)
        while not (folder / "ready").exists():
            if self._process.poll() is not None:
                raise SystemExit(f"the server ended: {(folder / 'log').read_text()}")
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(0.05)
        ready = json.loads((folder / "ready").read_text())
        self.http = ready["http"]
        certificate = (folder.parent / "cert.pem").read_bytes() if tls else None
        self.client = datainf.Client(
            ready["grpc"],
            options=datainf.ClientOptions(
                credentials=grpc.ssl_channel_credentials(certificate) if tls else None,
                metadata=(("authorization", f"Bearer {TOKEN}"),) if token else (),
            ),
        )

    def cpu_seconds(self) -> float:
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def awaits_warmth(self) -> None:
        """Only a server without a certificate is asked; both are started together."""
        while "datainf_kernels_warm 1.0" not in self.page("/metrics"):
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(0.2)

    def page(self, path: str) -> str:
        request = urllib.request.Request(f"http://{self.http}{path}", headers={"Authorization": f"Bearer {TOKEN}"})
        with urllib.request.urlopen(request) as answer:
            return answer.read().decode()

    def close(self) -> None:
        self.client.close()
        self._process.terminate()
        self._process.wait(60)
        self._log.close()


def send(server: Server, number: int, rows: np.ndarray, batches: int) -> float:
    """Sends a run of samples and deletes it; returns the server's CPU seconds a GB."""
    run = server.client.create_run(f"run{number}", [datainf.Block("block", 1, WIDTH)])
    before = server.cpu_seconds()
    with run.writer() as writer:
        for batch in range(batches):
            writer.add(np.arange(batch * BATCH, (batch + 1) * BATCH), rows)
    took = server.cpu_seconds() - before
    run.delete()
    return took / (batches * rows.nbytes / 1e9)


@contextlib.contextmanager
def scraping(server: Server) -> Iterator[None]:
    """Asks for the metrics each second, as Prometheus does more rarely."""
    stop = threading.Event()

    def scrape() -> None:
        while not stop.wait(SCRAPE_SECONDS):
            server.page("/metrics")

    thread = threading.Thread(target=scrape)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def compare(name: str, launcher: str, folder: Path, pairs: int, batches: int, **feature: bool) -> list[dict[str, Any]]:
    tls, token, scraped = (feature.get(key, False) for key in ("tls", "token", "scraped"))
    options = ["--tls-cert", str(folder / "cert.pem"), "--tls-key", str(folder / "key.pem")] if tls else []
    options += ["--tokens", str(folder / "tokens.yaml")] if token else []
    rows = np.random.default_rng(0).standard_normal((BATCH, WIDTH), np.float32)
    with contextlib.ExitStack() as stack:
        without = Server(launcher, folder / f"{name} without", [], tls=False, token=False)
        stack.callback(without.close)
        having = Server(launcher, folder / f"{name} with", options, tls=tls, token=token)
        stack.callback(having.close)
        without.awaits_warmth()
        if not tls:
            having.awaits_warmth()
        if scraped:
            stack.enter_context(scraping(having))
        ratios, plain = [], []
        for number in range(-WARM_UP_PAIRS, pairs):
            took = {server: send(server, number, rows, batches) for server in order(number, without, having)}
            if number >= 0:
                plain.append(took[without])
                ratios.append(took[having] / took[without])
    ratios.sort()
    print(f"{name}: {' '.join(f'{ratio:.3f}' for ratio in ratios)}", flush=True)
    target = TARGET if name in ("tokens", "scraped each second") else None
    return [
        figure(f"{name}: server's CPU without", statistics.median(plain), "s/GB"),
        figure(f"{name}: with / without, median of {pairs} pairs", statistics.median(ratios), "x", target),
        figure(f"{name}: with / without, second least", ratios[1], "x"),
        figure(f"{name}: with / without, second greatest", ratios[-2], "x"),
    ]


def order(number: int, first: Server, second: Server) -> tuple[Server, Server]:
    """Neither has the better place."""
    return (first, second) if number % 2 else (second, first)


def figure(name: str, value: float, unit: str, most: float | None = None) -> dict[str, Any]:
    target = None if most is None else f"<= {most:g}"
    return {"name": name, "value": value, "unit": unit, "target": target, "met": None if most is None else value <= most}


def make_files(folder: Path) -> None:
    (folder / "tokens.yaml").write_text(TOKENS.format(hashlib.sha256(TOKEN.encode()).hexdigest()))
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", str(folder / "key.pem")]
    command = ["openssl", "req", "-x509", "-days", "2", *key, *subject, "-out", str(folder / "cert.pem")]
    subprocess.run(command, check=True, capture_output=True)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("launcher")
    parser.add_argument("results", type=Path)
    parser.add_argument("commit")
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    pairs, batches = (3, 10) if options.quick else (PAIRS, 80)
    found = []
    with tempfile.TemporaryDirectory(prefix="datainf-") as name:
        folder = Path(name)
        make_files(folder)
        for feature, parts in {
            "tokens": {"token": True},
            "scraped each second": {"scraped": True},
            "TLS": {"tls": True},
            "TLS and tokens": {"tls": True, "token": True},
        }.items():
            found += compare(feature, options.launcher, folder, pairs, batches, **parts)
    if options.quick:  # too little to hold against targets
        found = [{**each, "target": None, "met": None} for each in found]
    machine = f"{os.cpu_count()} cores, {platform.system()} {platform.release()}, Python {platform.python_version()}"
    report = {"suite": "overhead", "commit": options.commit, "machine": machine, "figures": found}
    options.results.parent.mkdir(parents=True, exist_ok=True)
    options.results.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    print(f"suite overhead, commit {options.commit}\n{machine}\n")
    print("| figure | value | target | met |\n|---|---|---|---|")
    for each in found:
        met = {None: "", True: "yes", False: "NO"}[each["met"]]
        print(f"| {each['name']} | {each['value']:.4g} {each['unit']} | {each['target'] or ''} | {met} |")
    print(f"\nwritten to {options.results}")


if __name__ == "__main__":
    main()
