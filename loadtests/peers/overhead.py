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
import ssl
import statistics
import subprocess
import tempfile
import threading
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import datainf
import grpc
import numpy as np

WIDTH = 393_216  # 1.5 MB a sample
BATCH = 4
PAIRS = 10
WARM_UP_PAIRS = 3
WARM_UP_SCRAPES = 200
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
        self._certificate = str(folder.parent / "cert.pem") if tls else None
        self.client = datainf.Client(
            ready["grpc"],
            options=datainf.ClientOptions(
                credentials=grpc.ssl_channel_credentials(Path(self._certificate).read_bytes()) if self._certificate else None,
                metadata=(("authorization", f"Bearer {TOKEN}"),) if token else (),
            ),
        )

    def cpu_seconds(self) -> float:
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def await_warmth(self) -> None:
        """Waits until kernels and pages are compiled, which would count as the first samples' time."""
        for _ in range(WARM_UP_SCRAPES):
            self.page("/metrics")
        while "datainf_kernels_warm 1.0" not in self.page("/metrics"):
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(0.2)

    def page(self, path: str) -> str:
        scheme, context = ("https", ssl.create_default_context(cafile=self._certificate)) if self._certificate else ("http", None)
        request = urllib.request.Request(f"{scheme}://{self.http}{path}", headers={"Authorization": f"Bearer {TOKEN}"})
        with urllib.request.urlopen(request, context=context) as answer:
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
    """Asks for the metrics each second; Prometheus, as we ship it, does so every 15 s."""
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


class Collector(BaseHTTPRequestHandler):
    """Takes spans and forgets them."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextlib.contextmanager
def collecting() -> Iterator[str]:
    """Yields the address of a collector of spans."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Collector) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@dataclass(frozen=True)
class Feature:
    """What the one server has and the other has not.

    Attributes:
        name: how the figures are called.
        tls: a certificate.
        token: tokens; each call brings one.
        scraped: its metrics are asked for each second.
        sampling: share of batches that are traced; None: tracing is off.
        target: most that CPU time with it may be of that without it.
    """

    name: str
    tls: bool = False
    token: bool = False
    scraped: bool = False
    sampling: float | None = None
    target: float | None = None


FEATURES = [
    Feature("tokens and scraped each second", token=True, scraped=True, target=TARGET),
    Feature("tracing of 1 % of batches", sampling=0.01),
    Feature("tracing of all batches", sampling=1.0),
    Feature("TLS", tls=True),
    Feature("all of these", tls=True, token=True, scraped=True, sampling=0.01),
]


def compare(feature: Feature, launcher: str, folder: Path, pairs: int, batches: int, collector: str) -> list[dict[str, Any]]:
    name, tls = feature.name, feature.tls
    options = ["--tls-cert", str(folder / "cert.pem"), "--tls-key", str(folder / "key.pem")] if tls else []
    options += ["--tokens", str(folder / "tokens.yaml")] if feature.token else []
    if feature.sampling is not None:
        options += [f"--otlp-endpoint={collector}", f"--trace-sampling={feature.sampling}"]
    rows = np.random.default_rng(0).standard_normal((BATCH, WIDTH), np.float32)
    with contextlib.ExitStack() as stack:
        without = Server(launcher, folder / f"{name} without", [], tls=False, token=False)
        stack.callback(without.close)
        having = Server(launcher, folder / f"{name} with", options, tls=tls, token=feature.token)
        stack.callback(having.close)
        without.await_warmth()
        having.await_warmth()
        if feature.scraped:
            stack.enter_context(scraping(having))
        ratios, plain = [], []
        for number in range(-WARM_UP_PAIRS, pairs):
            took = {server: send(server, number, rows, batches) for server in order(number, without, having)}
            if number >= 0:
                plain.append(took[without])
                ratios.append(took[having] / took[without])
    ratios.sort()
    print(f"{name}: {' '.join(f'{ratio:.3f}' for ratio in ratios)}", flush=True)
    return [
        figure(f"{name}: server's CPU without", statistics.median(plain), "s/GB"),
        figure(f"{name}: with / without, median of {pairs} pairs", statistics.median(ratios), "x", feature.target),
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
    pairs, batches = (3, 10) if options.quick else (PAIRS, 160)
    found = []
    with tempfile.TemporaryDirectory(prefix="datainf-") as name:
        folder = Path(name)
        make_files(folder)
        with collecting() as collector:
            for feature in FEATURES:
                found += compare(feature, options.launcher, folder, pairs, batches, collector)
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
