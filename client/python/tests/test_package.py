import datainf
from datainf._proto.v1 import influence_service_pb2, influence_service_pb2_grpc


def test_version_is_that_of_the_distribution() -> None:
    assert datainf.__version__


def test_generated_stubs_import_under_the_package() -> None:
    assert influence_service_pb2.DESCRIPTOR.package == "datainf.v1"
    assert influence_service_pb2_grpc.__name__.startswith("datainf._proto.")
