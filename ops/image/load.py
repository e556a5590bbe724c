"""Load on a server in a container: two writers and queries, checked against numpy.

    python3 load.py PUSH|ASK TARGET UNIX_SOCKET METRICS_URL CERTIFICATE TOKEN_FILE

PUSH: one writer over TLS with the token, one over the Unix socket and shared memory. Both: a caller
without token is refused, and the scores over TLS are those that numpy computes.
"""

import re
import ssl
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path

import datainf
import grpc
import numpy as np
import numpy.typing as npt

SAMPLES = 256
RUN = "image"
BLOCK = datainf.Block("q_proj.lora_A.weight", rows=8, columns=512)
# float32 gradients, products summed in another order than numpy's float64.
TOLERANCE = 1e-5


def gradients() -> npt.NDArray[np.float32]:
    """Returns the gradients of all samples, shape (n, d)."""
    return np.random.default_rng(7).standard_normal((SAMPLES, 8 * 512)).astype(np.float32)


def shared_bytes(url: str, certificate: Path, token: str) -> float:
    """Returns what the server's metrics say of memory shared with writers."""
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"})  # noqa: S310
    context = ssl.create_default_context(cafile=str(certificate))
    with urllib.request.urlopen(request, context=context) as response:  # noqa: S310
        metrics = response.read().decode()
    found = re.findall(r"^datainf_ingest_shared_memory_bytes\S* (\S+)$", metrics, re.MULTILINE)
    return sum(map(float, found))


def push(
    client: datainf.Client,
    local: datainf.Client,
    rows: npt.NDArray[np.float32],
    shared: Callable[[], float],
) -> None:
    """Sends one half of the samples over TCP and the other through shared memory."""
    run = client.create_run(RUN, [BLOCK])
    half = len(rows) // 2
    with run.writer() as far, local.run(RUN).writer() as near:
        far.add(np.arange(half), rows[:half])
        near.add(np.arange(half, len(rows)), rows[half:])
        far.flush()
        near.flush()
        if not shared():
            sys.exit("load: the writer on the Unix socket shares no memory with the server")


def check(client: datainf.Client, rows: npt.NDArray[np.float32]) -> None:
    """Compares the answer to a query with numpy."""
    # The gradient of a validation point that is sample 7 but for its sign: 7 is the most harmful.
    result = client.run(RUN).query(-rows[7], method="hessian_free")
    ids, found = np.ravel(result.ids), np.ravel(result.scores)
    scores = dict(zip(ids.tolist(), found.tolist(), strict=True))
    expected = rows.astype(np.float64) @ rows[7].astype(np.float64)
    got = np.array([scores[i] for i in range(len(rows))])
    error = np.abs(got - expected).max() / np.abs(expected).max()
    if error > TOLERANCE:
        sys.exit(f"load: scores are off by {error:.2g} of the greatest: expected {TOLERANCE:.0e}")


def refused(target: str, certificate: bytes) -> None:
    """Asks without a token, which must fail."""
    options = datainf.ClientOptions(credentials=grpc.ssl_channel_credentials(certificate))
    with datainf.Client(target, options=options) as stranger:
        try:
            stranger.list_runs()
        except datainf.DataInfError as error:
            if error.code is not grpc.StatusCode.UNAUTHENTICATED:
                raise
        else:
            sys.exit("load: a caller without token was let in")


def main() -> None:
    """Runs the command."""
    what, target, socket, metrics_url, certificate_file, token_file = sys.argv[1:]
    certificate = Path(certificate_file).read_bytes()
    token = Path(token_file).read_text(encoding="ascii").strip()
    refused(target, certificate)
    options = datainf.ClientOptions(
        credentials=grpc.ssl_channel_credentials(certificate),
        metadata=(("authorization", f"Bearer {token}"),),
    )
    rows = gradients()
    with (
        datainf.Client(target, options=options) as client,
        datainf.Client(f"unix:{socket}") as local,
    ):
        if what == "PUSH":
            push(
                client,
                local,
                rows,
                lambda: shared_bytes(metrics_url, Path(certificate_file), token),
            )
        check(client, rows)
    print(f"load: {what} of {SAMPLES} samples, scores as numpy's")


if __name__ == "__main__":
    main()
