import datetime
from concurrent import futures
from typing import Any

import grpc
import pytest
from google.protobuf import any_pb2, duration_pb2
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

import datainf
from datainf._errors import from_rpc_error, from_status, with_context


def packed(*messages: Any) -> list[any_pb2.Any]:
    details = [any_pb2.Any() for _ in messages]
    for detail, message in zip(details, messages, strict=True):
        detail.Pack(message)
    return details


STATUS = status_pb2.Status(
    code=grpc.StatusCode.INVALID_ARGUMENT.value[0],
    message="the run is wrong",
    details=packed(
        error_details_pb2.DebugInfo(detail="of a type that the client does not use"),
        error_details_pb2.ErrorInfo(reason="BAD_RUN", domain="datainf.io"),
        error_details_pb2.BadRequest(
            field_violations=[
                error_details_pb2.BadRequest.FieldViolation(
                    field="run.damping_scale", description="is -1.0, expected more than 0"
                )
            ]
        ),
        error_details_pb2.RetryInfo(
            retry_delay=duration_pb2.Duration(seconds=1, nanos=500_000_000)
        ),
    ),
)


def test_status_details_become_attributes_and_text() -> None:
    error = from_status(STATUS)
    assert isinstance(error, datainf.InvalidArgumentError)
    assert isinstance(error, ValueError)
    assert error.code is grpc.StatusCode.INVALID_ARGUMENT
    assert error.reason == "BAD_RUN"
    assert error.violations == (
        datainf.FieldViolation(
            field="run.damping_scale", description="is -1.0, expected more than 0"
        ),
    )
    assert error.retry_after == datetime.timedelta(seconds=1.5)
    assert str(error) == (
        "the run is wrong [INVALID_ARGUMENT, BAD_RUN]\n"
        "  run.damping_scale: is -1.0, expected more than 0"
    )


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (grpc.StatusCode.NOT_FOUND, datainf.NotFoundError),
        (grpc.StatusCode.ALREADY_EXISTS, datainf.AlreadyExistsError),
        (grpc.StatusCode.FAILED_PRECONDITION, datainf.FailedPreconditionError),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, datainf.ResourceExhaustedError),
        (grpc.StatusCode.UNAVAILABLE, datainf.UnavailableError),
        (grpc.StatusCode.DEADLINE_EXCEEDED, datainf.DeadlineExceededError),
        (grpc.StatusCode.ABORTED, datainf.DataInfError),
    ],
)
def test_each_code_has_its_class(code: grpc.StatusCode, kind: type[Exception]) -> None:
    error = from_status(status_pb2.Status(code=code.value[0]))
    assert type(error) is kind
    assert error.code is code


def test_context_comes_first_and_the_rest_stays() -> None:
    error = with_context("writer 'w'", from_status(STATUS))
    assert str(error).startswith("writer 'w': the run is wrong [INVALID_ARGUMENT, BAD_RUN]\n")
    assert error.retry_after == datetime.timedelta(seconds=1.5)


class _Failing(grpc.GenericRpcHandler):
    """Answers every method with one status."""

    def service(self, handler_call_details: Any) -> Any:  # noqa: ARG002
        def fail(_: bytes, context: grpc.ServicerContext) -> bytes:
            context.abort_with_status(rpc_status.to_status(STATUS))
            return b""

        return grpc.unary_unary_rpc_method_handler(fail)


def test_details_arrive_through_a_call() -> None:
    server = grpc.server(futures.ThreadPoolExecutor(1), handlers=[_Failing()])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            method: Any = channel.unary_unary("/any/Method")
            with pytest.raises(grpc.RpcError) as failure:
                method(b"")
    finally:
        server.stop(0).wait()
    assert str(from_rpc_error(failure.value)) == str(from_status(STATUS))


def test_server_that_is_not_there_is_unavailable() -> None:
    with (
        datainf.Client("unix:/nonexistent/socket") as client,
        pytest.raises(datainf.UnavailableError, match="/nonexistent/socket"),
    ):
        client.list_runs()
