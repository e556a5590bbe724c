"""Entry to the server: makes and finds runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import TracebackType

from datainf._block import Block
from datainf._connection import Connection
from datainf._encoding import Dtype, element_type
from datainf._options import ClientOptions
from datainf._proto.v1 import run_service_pb2, types_pb2
from datainf._run import Run


class Client:
    """A DataInf sidecar. Thread-safe; a forked process can neither use it nor make another one.

    Example:
        >>> with datainf.Client(target) as own_client:
        ...     run = own_client.create_run("example", [datainf.Block("lora_A.weight", 4, 8)])
        >>> run.dimension
        32
    """

    def __init__(self, target: str, *, options: ClientOptions | None = None) -> None:
        """Makes a client; connects at the first call.

        Args:
            target: `"unix:/path/of/socket"`, the faster way to a server on this machine; or
                `"host:port"`, e.g. `"127.0.0.1:50051"`.
            options: Credentials and time limits.

        Raises:
            ValueError: target is neither.
            RuntimeError: The process was forked from one that had made a client.
        """
        self._connection = Connection(target, options or ClientOptions())

    def create_run(
        self,
        run_id: str,
        blocks: Sequence[Block],
        *,
        stored_dtype: Dtype = "f32",
        damping_scale: float = 0.1,
        checkpoint: str = "",
        labels: Mapping[str, str] | None = None,
    ) -> Run:
        """Creates a run, or returns the existing one if it has an equal definition.

        Args:
            run_id: 1 to 64 characters out of A-Z, a-z, 0-9, '.', '_' and '-', beginning with a
                letter or a digit.
            blocks: The blocks of each sample, in order.
            stored_dtype: `"f32"`, or `"bf16"` for half of the memory at 2e-4 to 4e-4 relative error
                of scores.
            damping_scale: c of lambda_l = c / (n d_l) * sum_i |g_i|^2; the paper's is 0.1.
            checkpoint: Which parameters the gradients are taken at, e.g. `"step-3000"`.
            labels: Your own tags.

        Raises:
            ValueError: stored_dtype is unknown.
            InvalidArgumentError: A value is out of range; `violations` names each.
            AlreadyExistsError: The run exists with another definition; the message names the first
                difference.
            DataInfError: Other errors.

        Example:
            >>> blocks = [datainf.Block("q.lora_A", 4, 8), datainf.Block("q.lora_B", 4, 8)]
            >>> client.create_run("llama-sft", blocks, checkpoint="step-3000")
            Run('llama-sft', blocks=2, dimension=64, stored_dtype='f32')
        """
        layout = types_pb2.BlockLayout(
            blocks=[types_pb2.Block(name=b.name, rows=b.rows, columns=b.columns) for b in blocks]
        )
        definition = run_service_pb2.Run(
            run_id=run_id,
            layout=layout,
            stored_element_type=element_type(stored_dtype),
            damping_scale=damping_scale,
            checkpoint=checkpoint,
            labels=labels or {},
        )
        response = self._connection.call(
            self._connection.runs.CreateRun,
            run_service_pb2.CreateRunRequest(run=definition),
            self._connection.options.timeout_seconds,
        )
        return Run(self._connection, response.run)

    def run(self, run_id: str) -> Run:
        """Returns an existing run.

        Raises:
            NotFoundError: There is none.
            DataInfError: Other errors.

        Example:
            >>> client.run(run.run_id).blocks == run.blocks
            True
        """
        response = self._connection.call(
            self._connection.runs.GetRun,
            run_service_pb2.GetRunRequest(run_id=run_id),
            self._connection.options.timeout_seconds,
        )
        return Run(self._connection, response.run)

    def list_runs(self) -> list[Run]:
        """Returns all runs in ascending order of their ids.

        Raises:
            DataInfError: The call failed.

        Example:
            >>> run.run_id in [each.run_id for each in client.list_runs()]
            True
        """
        runs: list[Run] = []
        token = ""
        while True:
            response = self._connection.call(
                self._connection.runs.ListRuns,
                run_service_pb2.ListRunsRequest(page_token=token),
                self._connection.options.timeout_seconds,
            )
            runs.extend(Run(self._connection, message) for message in response.runs)
            token = response.next_page_token
            if not token:
                return runs

    def delete_run(self, run_id: str) -> None:
        """Deletes a run with all of its samples, durably. Its writers fail with NotFoundError.

        Raises:
            NotFoundError: There is none.
            DataInfError: Other errors.

        Example:
            >>> other = client.create_run("short-lived", [datainf.Block("b", 1, 2)])
            >>> client.delete_run("short-lived")
        """
        self._connection.call(
            self._connection.runs.DeleteRun,
            run_service_pb2.DeleteRunRequest(run_id=run_id),
            self._connection.options.timeout_seconds,
        )

    def close(self) -> None:
        """Closes the connection. Close writers before: what they have not sent is lost."""
        self._connection.close()

    def __enter__(self) -> Client:
        """Returns the client itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Closes the connection."""
        self.close()
