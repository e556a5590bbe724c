"""Errors of the client, and how gRPC statuses become them."""

from __future__ import annotations

import dataclasses
import datetime

import grpc
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

_CODES = {code.value[0]: code for code in grpc.StatusCode}


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class FieldViolation:
    """One field of a request that the server did not accept.

    Attributes:
        field: Path of the field in the request, e.g. `"run.layout.blocks[3].rows"`.
        description: What is wrong with its value, and what was expected.

    Example:
        >>> try:
        ...     run.query(np.ones(run.dimension), method="lissa", lissa_alpha=-1.0)
        ... except datainf.InvalidArgumentError as error:
        ...     error.violations[0].field
        'spec.lissa.alpha'
    """

    field: str
    description: str


class DataInfError(Exception):
    """Base of all errors of this client.

    Attributes:
        message: What went wrong, without code and fields.
        code: The gRPC status code.
        reason: The server's name for the cause, in UPPER_SNAKE_CASE; empty if it gave none.
        violations: The fields of the request that were not accepted.
        retry_after: How long the server asks to wait before trying again; None if it did not.

    Example:
        >>> try:
        ...     client.run("no-such-run")
        ... except datainf.NotFoundError as error:
        ...     print(error.code)
        StatusCode.NOT_FOUND
    """

    def __init__(
        self,
        message: str,
        *,
        code: grpc.StatusCode = grpc.StatusCode.UNKNOWN,
        reason: str = "",
        violations: tuple[FieldViolation, ...] = (),
        retry_after: datetime.timedelta | None = None,
    ) -> None:
        """Stores the parts; the text of the error names all of them."""
        fields = "".join(f"\n  {v.field}: {v.description}" for v in violations)
        super().__init__(f"{message} [{code.name}{', ' + reason if reason else ''}]{fields}")
        self.message = message
        self.code = code
        self.reason = reason
        self.violations = violations
        self.retry_after = retry_after


class InvalidArgumentError(DataInfError, ValueError):
    """The server does not accept a value; `violations` names the fields where it can."""


class NotFoundError(DataInfError, LookupError):
    """There is no such run."""


class AlreadyExistsError(DataInfError):
    """The run exists with another definition; the message names the first difference."""


class FailedPreconditionError(DataInfError):
    """Not possible in the present state: an empty run, another layout, another checkpoint, ..."""


class ResourceExhaustedError(DataInfError):
    """Too large, too many at once, or memory or disk of the server is full."""


class UnavailableError(DataInfError, ConnectionError):
    """The server cannot be reached or is stopping."""


class DeadlineExceededError(DataInfError, TimeoutError):
    """The time allowed ran out, here or at the server."""


class WriterFullError(DataInfError):
    """A writer's buffer had no room for all samples of one `add`.

    Attributes:
        accepted_count: Samples of that call that were taken before, always the first ones. 0 unless
            the policy is `"block"`.
    """

    def __init__(self, message: str, *, accepted_count: int) -> None:
        """Stores the count beside the message."""
        super().__init__(message, code=grpc.StatusCode.RESOURCE_EXHAUSTED, reason="WRITER_FULL")
        self.accepted_count = accepted_count


_CLASSES: dict[grpc.StatusCode, type[DataInfError]] = {
    grpc.StatusCode.INVALID_ARGUMENT: InvalidArgumentError,
    grpc.StatusCode.NOT_FOUND: NotFoundError,
    grpc.StatusCode.ALREADY_EXISTS: AlreadyExistsError,
    grpc.StatusCode.FAILED_PRECONDITION: FailedPreconditionError,
    grpc.StatusCode.RESOURCE_EXHAUSTED: ResourceExhaustedError,
    grpc.StatusCode.UNAVAILABLE: UnavailableError,
    grpc.StatusCode.DEADLINE_EXCEEDED: DeadlineExceededError,
}


def error_of(
    code: grpc.StatusCode,
    message: str,
    *,
    reason: str = "",
    violations: tuple[FieldViolation, ...] = (),
    retry_after: datetime.timedelta | None = None,
) -> DataInfError:
    """Returns an error of the class that belongs to `code`."""
    kind = _CLASSES.get(code, DataInfError)
    return kind(message, code=code, reason=reason, violations=violations, retry_after=retry_after)


def with_context(context: str, error: DataInfError) -> DataInfError:
    """Returns a new error like `error` whose message begins with `context`."""
    return error_of(
        error.code,
        f"{context}: {error.message}",
        reason=error.reason,
        violations=error.violations,
        retry_after=error.retry_after,
    )


def from_rpc_error(error: grpc.RpcError) -> DataInfError:
    """Returns what a failed call says, with the google.rpc details if the server sent some."""
    if not isinstance(error, grpc.Call):
        return DataInfError(str(error))
    try:
        status = rpc_status.from_call(error)
    except ValueError:
        # Details that contradict the status, from something between us and the server.
        status = None
    if status is not None:
        return from_status(status)
    return error_of(error.code(), error.details() or "no details given")


def from_status(status: status_pb2.Status) -> DataInfError:
    """Returns the error that a google.rpc.Status describes; unknown details are left out."""
    reason = ""
    violations: tuple[FieldViolation, ...] = ()
    retry_after = None
    info = error_details_pb2.ErrorInfo()
    bad_request = error_details_pb2.BadRequest()
    retry_info = error_details_pb2.RetryInfo()
    for detail in status.details:
        if detail.Unpack(info):
            reason = info.reason
        elif detail.Unpack(bad_request):
            violations = tuple(
                FieldViolation(field=v.field, description=v.description)
                for v in bad_request.field_violations
            )
        elif detail.Unpack(retry_info):
            retry_after = retry_info.retry_delay.ToTimedelta()
    return error_of(
        _CODES.get(status.code, grpc.StatusCode.UNKNOWN),
        status.message or "no details given",
        reason=reason,
        violations=violations,
        retry_after=retry_after,
    )
