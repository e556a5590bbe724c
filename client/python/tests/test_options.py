import dataclasses
import os
import subprocess
import sys
from typing import Any

import pytest

import datainf


def test_defaults() -> None:
    options = datainf.WriterOptions()
    assert dataclasses.asdict(options) == {
        "policy": "block",
        "max_buffered_bytes": 64 << 20,
        "block_timeout_seconds": 600.0,
        "message_bytes": 2 << 20,
        "shared_memory": True,
        "linger_seconds": 0.01,
        "retry_deadline_seconds": 300.0,
        "retry_initial_seconds": 0.1,
        "retry_max_seconds": 5.0,
        "close_timeout_seconds": 600.0,
    }
    assert dataclasses.asdict(datainf.ClientOptions()) == {
        "credentials": None,
        "metadata": (),
        "timeout_seconds": 30.0,
        "query_timeout_seconds": 600.0,
    }


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("policy", "wait"),
        ("max_buffered_bytes", 0),
        ("message_bytes", 1023),
        ("retry_deadline_seconds", -1.0),
        ("block_timeout_seconds", float("nan")),
    ],
)
def test_wrong_writer_option_is_named(field: str, value: Any) -> None:
    with pytest.raises(ValueError, match=rf"{field} is '?{value}"):
        datainf.WriterOptions(**{field: value})


def test_wrong_client_option_is_named() -> None:
    with pytest.raises(ValueError, match="timeout_seconds is 0"):
        datainf.ClientOptions(timeout_seconds=0)


def test_import_needs_neither_pandas_nor_ml_dtypes() -> None:
    code = "import sys, datainf; assert not {'pandas', 'ml_dtypes'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)  # noqa: S603


def test_client_after_fork_is_refused() -> None:
    client = datainf.Client("127.0.0.1:1")
    child = os.fork()
    if child == 0:
        try:
            client.list_runs()
        except RuntimeError as error:
            os._exit(0 if "forked from it" in str(error) else 1)
        finally:
            os._exit(2)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    client.close()


def test_closed_client_is_refused() -> None:
    client = datainf.Client("127.0.0.1:1")
    client.close()
    client.close()
    with pytest.raises(RuntimeError, match="the client is closed"):
        client.list_runs()


@pytest.mark.parametrize("target", ["foo", "http://127.0.0.1:50051", "127.0.0.1:", "", 50051])
def test_target_that_is_no_address_is_refused(target: Any) -> None:
    with pytest.raises(ValueError, match=r"target is .*: expected 'host:port' or 'unix:/path'"):
        datainf.Client(target)
