"""Client of the DataInf sidecar: streams per-sample LoRA gradients, asks for influence scores.

Scores have the sign of the paper (arXiv 2310.00902): negative = helpful, positive = harmful.
dattri, LogIX, kronfluence and captum use the opposite sign.
"""

from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from datainf._analysis import (
    BlockGradientNorms,
    JobEstimate,
    MethodAgreement,
    MethodComparison,
    SelfInfluence,
    SquaredNorms,
)
from datainf._block import Block
from datainf._capturing import CaptureError, capture, import_from_torch, lora_blocks
from datainf._checkpoints import CombinedScores, combine_checkpoints
from datainf._client import Client
from datainf._errors import (
    AlreadyExistsError,
    DataInfError,
    DeadlineExceededError,
    FailedPreconditionError,
    FieldViolation,
    InvalidArgumentError,
    NotFoundError,
    ResourceExhaustedError,
    UnavailableError,
    WriterFullError,
)
from datainf._options import ClientOptions, WriterOptions
from datainf._progress import Progress
from datainf._questions.by_id import ById
from datainf._questions.detection import ClassDetection, Detection
from datainf._questions.matrix import InfluenceMatrix
from datainf._questions.points import Aggregation
from datainf._questions.questions import influence, mislabeled, most_harmful, most_helpful, select
from datainf._questions.ranking import Ranking
from datainf._questions.result import Result
from datainf._questions.selection import Selection
from datainf._questions.studies import compare_methods, damping_study, rank_study
from datainf._questions.study import Study, StudyRow
from datainf._reading import SampleStream, StoredSamples
from datainf._result import QueryResult, QuerySummary, Snapshot, SolverReport
from datainf._run import Run
from datainf._statistics import BlockStatistics, RunStatistics
from datainf._stats import Deletion, RejectedSample, WriterStats
from datainf._tables import Sign
from datainf._writer import Writer

if TYPE_CHECKING:
    from datainf._torch.callback import DataInfCallback as DataInfCallback
    from datainf._torch.callback import EpochInfluence as EpochInfluence
    from datainf._torch.trainer import DataInfTrainerMixin as DataInfTrainerMixin

__version__ = version("datainf-client")

# Of `datainf-client[transformers]`: imported when asked for. Not in __all__, which all can import.
_WITH_TRANSFORMERS = {
    "DataInfCallback": "callback",
    "DataInfTrainerMixin": "trainer",
    "EpochInfluence": "callback",
}

__all__ = [
    "Aggregation",
    "AlreadyExistsError",
    "Block",
    "BlockGradientNorms",
    "BlockStatistics",
    "ById",
    "CaptureError",
    "ClassDetection",
    "Client",
    "ClientOptions",
    "CombinedScores",
    "DataInfError",
    "DeadlineExceededError",
    "Deletion",
    "Detection",
    "FailedPreconditionError",
    "FieldViolation",
    "InfluenceMatrix",
    "InvalidArgumentError",
    "JobEstimate",
    "MethodAgreement",
    "MethodComparison",
    "NotFoundError",
    "Progress",
    "QueryResult",
    "QuerySummary",
    "Ranking",
    "RejectedSample",
    "ResourceExhaustedError",
    "Result",
    "Run",
    "RunStatistics",
    "SampleStream",
    "Selection",
    "SelfInfluence",
    "Sign",
    "Snapshot",
    "SolverReport",
    "SquaredNorms",
    "StoredSamples",
    "Study",
    "StudyRow",
    "UnavailableError",
    "Writer",
    "WriterFullError",
    "WriterOptions",
    "WriterStats",
    "__version__",
    "capture",
    "combine_checkpoints",
    "compare_methods",
    "damping_study",
    "influence",
    "lora_blocks",
    "mislabeled",
    "most_harmful",
    "most_helpful",
    "rank_study",
    "select",
]


if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        """Imports what needs transformers.

        Raises:
            AttributeError: There is no such name.
            ImportError: PyTorch, transformers or accelerate is missing.
        """
        if name not in _WITH_TRANSFORMERS:
            raise AttributeError(f"module 'datainf' has no attribute {name!r}")
        return import_from_torch(_WITH_TRANSFORMERS[name], name)
