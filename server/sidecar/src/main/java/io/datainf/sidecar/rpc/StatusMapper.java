package io.datainf.sidecar.rpc;

import com.google.protobuf.Any;
import com.google.protobuf.Duration;
import com.google.rpc.BadRequest;
import com.google.rpc.BadRequest.FieldViolation;
import com.google.rpc.Code;
import com.google.rpc.ErrorInfo;
import com.google.rpc.RetryInfo;
import com.google.rpc.Status;
import io.datainf.engine.influence.MemoryLimitException;
import io.datainf.engine.run.BatchOutOfOrderException;
import io.datainf.engine.run.DeletedSampleException;
import io.datainf.engine.run.MemoryFullException;
import io.datainf.engine.run.RunDefinitionMismatchException;
import io.datainf.engine.run.SupersededWriterException;
import io.datainf.engine.run.UnknownRunException;
import io.datainf.engine.run.UnknownSampleException;
import io.datainf.engine.run.UnreadableSamplesException;
import io.datainf.engine.store.StoreFormatException;
import io.datainf.sidecar.ingest.ChecksumMismatchException;
import io.datainf.sidecar.ingest.InvalidBatchException;
import io.datainf.sidecar.ingest.WriterMismatchException;
import io.datainf.sidecar.query.AnalysisQueueFullException;
import io.datainf.sidecar.query.EmptyRunException;
import io.datainf.sidecar.query.InvalidQueryException;
import io.datainf.sidecar.query.QueryExecutorClosedException;
import io.datainf.sidecar.query.QueryMemoryException;
import io.datainf.sidecar.query.QueryQueueFullException;
import io.datainf.sidecar.query.RevisionNotReachedException;
import io.datainf.sidecar.query.SelfInfluenceMissingException;
import io.datainf.sidecar.security.QuotaExceededException;
import io.grpc.Metadata;
import io.grpc.ServerCall;
import io.grpc.StatusRuntimeException;
import io.grpc.protobuf.StatusProto;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.CancellationException;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Maps exceptions to google.rpc.Status: code, message, an ErrorInfo with a reason, the fields at fault, and when to try again
 * where that can help. What is not the client's business (causes, paths, stack traces) goes to the log.
 */
final class StatusMapper {

    private static final Logger LOG = LoggerFactory.getLogger(StatusMapper.class);
    private static final String DOMAIN = "datainf.io";

    // How long a client should wait. Recoveries differ: a sample is durable within a force, a query ends within a
    // second,
    // another server may take over, a store that refused a write takes the next one or is probed each second, memory
    // and disks are freed by people.
    private static final int REVISION_RETRY_MILLIS = 100;
    private static final int QUERY_RETRY_MILLIS = 500;
    private static final int RECONNECT_MILLIS = 1_000;
    private static final int STORE_RETRY_MILLIS = 1_000;
    private static final int JOB_RETRY_MILLIS = 10_000;
    private static final int SPACE_RETRY_MILLIS = 30_000;

    private StatusMapper() {}

    /** Returns the exception to end a call with. */
    static StatusRuntimeException toException(Throwable cause) {
        return StatusProto.toStatusRuntimeException(toStatus(cause));
    }

    /** Ends a call before it began. */
    static <Q> ServerCall.Listener<Q> refuse(ServerCall<Q, ?> call, RuntimeException cause) {
        StatusRuntimeException refusal = toException(cause);
        Metadata trailers = refusal.getTrailers();
        call.close(refusal.getStatus(), trailers == null ? new Metadata() : trailers);
        return new ServerCall.Listener<>() {};
    }

    /** Returns the status for an exception. */
    static Status toStatus(Throwable cause) {
        String message = String.valueOf(cause.getMessage());
        return switch (cause) {
            case InvalidRequestException e -> invalid("INVALID_FIELD", message, e.violations());
            case AccessDeniedException e ->
                status(e.known() ? Code.PERMISSION_DENIED : Code.UNAUTHENTICATED, e.reason(), message);
            case InvalidBatchException e -> invalid("INVALID_BATCH", message, violation(e.field(), message));
            case InvalidQueryException e -> invalid("INVALID_GRADIENTS", message, violation(e.field(), message));
            case UnknownSampleException e -> invalid("UNKNOWN_SAMPLE", message, violation("sample_ids", message));
            case UnknownSamplesException e -> status(Code.NOT_FOUND, "UNKNOWN_SAMPLES", message);
            case RevisionGoneException e -> status(Code.OUT_OF_RANGE, "REVISION_GONE", message);
            case UnknownRunException e -> status(Code.NOT_FOUND, "UNKNOWN_RUN", message);
            case RunDefinitionMismatchException e -> status(Code.ALREADY_EXISTS, "RUN_EXISTS", message);
            case WriterMismatchException e ->
                status(Code.FAILED_PRECONDITION, e.field().toUpperCase(Locale.ROOT) + "_MISMATCH", message);
            case BatchOutOfOrderException e -> status(Code.FAILED_PRECONDITION, "BATCH_OUT_OF_ORDER", message);
            case DeletedSampleException e -> status(Code.FAILED_PRECONDITION, "SAMPLE_DELETED", message);
            case EmptyRunException e -> status(Code.FAILED_PRECONDITION, "EMPTY_RUN", message);
            case SelfInfluenceMissingException e -> status(Code.FAILED_PRECONDITION, "SELF_INFLUENCE_MISSING", message);
            case RevisionNotReachedException e ->
                retry(Code.FAILED_PRECONDITION, "REVISION_NOT_REACHED", message, REVISION_RETRY_MILLIS);
            case ChecksumMismatchException e -> status(Code.DATA_LOSS, "CHECKSUM_MISMATCH", message);
            case SupersededWriterException e -> status(Code.ABORTED, "WRITER_SUPERSEDED", message);
            case UnsupportedRequestException e -> status(Code.UNIMPLEMENTED, "NOT_OFFERED", message);
            case CancellationException e -> status(Code.CANCELLED, "CANCELLED", message);
            case UnreadableSamplesException e ->
                retry(Code.UNAVAILABLE, "SAMPLES_DAMAGED", message, REVISION_RETRY_MILLIS);
            case ServerStoppingException e -> retry(Code.UNAVAILABLE, "SERVER_STOPPING", message, RECONNECT_MILLIS);
            case QueryExecutorClosedException e ->
                retry(Code.UNAVAILABLE, "SERVER_STOPPING", message, RECONNECT_MILLIS);
            default -> exhausted(cause, message);
        };
    }

    private static Status exhausted(Throwable cause, String message) {
        return switch (cause) {
            case RequestTooLargeException e -> status(Code.RESOURCE_EXHAUSTED, "REQUEST_TOO_LARGE", message);
            case QueryMemoryException e ->
                e.temporary()
                        ? retry(Code.RESOURCE_EXHAUSTED, "QUERY_MEMORY_FULL", message, QUERY_RETRY_MILLIS)
                        : status(Code.RESOURCE_EXHAUSTED, "REQUEST_TOO_LARGE", message);
            case QueryQueueFullException e ->
                retry(Code.RESOURCE_EXHAUSTED, "QUERY_QUEUE_FULL", message, QUERY_RETRY_MILLIS);
            case AnalysisQueueFullException e ->
                retry(Code.RESOURCE_EXHAUSTED, "JOB_QUEUE_FULL", message, JOB_RETRY_MILLIS);
            case MemoryFullException e -> status(Code.RESOURCE_EXHAUSTED, "MEMORY_BUDGET_FULL", message);
            case MemoryLimitException e -> status(Code.RESOURCE_EXHAUSTED, "SOLVER_MEMORY", message);
            case QuotaExceededException e ->
                retry(
                        Code.RESOURCE_EXHAUSTED,
                        e.kind() + "_QUOTA",
                        message,
                        e.kind() == QuotaExceededException.Kind.STREAMS ? RECONNECT_MILLIS : SPACE_RETRY_MILLIS);
            case TooManyOpenQueriesException e ->
                retry(Code.RESOURCE_EXHAUSTED, "TOO_MANY_OPEN_QUERIES", message, QUERY_RETRY_MILLIS);
            default -> logged(cause);
        };
    }

    /** What is the server's trouble rather than the client's: the log gets it whole, the client a short word. */
    private static Status logged(Throwable cause) {
        String reference = Long.toHexString(System.nanoTime());
        LOG.error("Reference {}", reference, cause);
        if (cause instanceof OutOfMemoryError) {
            return retry(Code.RESOURCE_EXHAUSTED, "MEMORY_FULL", "the machine has no memory left", SPACE_RETRY_MILLIS);
        }
        if (cause instanceof StoreFormatException) {
            return status(
                    Code.FAILED_PRECONDITION,
                    "RUN_DAMAGED",
                    "a file of the run is damaged or of another version: see %s in the server's log"
                            .formatted(reference));
        }
        boolean store = cause instanceof IOException || cause instanceof UncheckedIOException;
        if (store && diskFull(cause)) {
            return retry(
                    Code.RESOURCE_EXHAUSTED, "DISK_FULL", "no space left in the data directory", SPACE_RETRY_MILLIS);
        }
        String message = "internal error: see %s in the server's log".formatted(reference);
        if (cause instanceof IOException) {
            // A write that failed is not repeated in its file: the next one goes to a new one, and may well succeed.
            return retry(Code.UNAVAILABLE, "STORE_FAILED", message, STORE_RETRY_MILLIS);
        }
        return status(Code.INTERNAL, store ? "STORE_FAILED" : "INTERNAL", message);
    }

    private static boolean diskFull(Throwable failure) {
        // Java has no type for ENOSPC and EDQUOT; these are the C library's words.
        for (Throwable cause = failure; cause != null; cause = cause.getCause()) {
            String message = String.valueOf(cause.getMessage());
            if (message.contains("No space left on device") || message.contains("Disk quota exceeded")) {
                return true;
            }
        }
        return false;
    }

    private static List<InvalidRequestException.Violation> violation(String field, String description) {
        return List.of(new InvalidRequestException.Violation(field, description));
    }

    private static Status status(Code code, String reason, String message) {
        return build(code, reason, message, null, null);
    }

    private static Status retry(Code code, String reason, String message, int millis) {
        RetryInfo retry = RetryInfo.newBuilder()
                .setRetryDelay(Duration.newBuilder().setSeconds(millis / 1000).setNanos(millis % 1000 * 1_000_000))
                .build();
        return build(code, reason, message, null, retry);
    }

    private static Status invalid(String reason, String message, List<InvalidRequestException.Violation> violations) {
        BadRequest.Builder details = BadRequest.newBuilder();
        for (InvalidRequestException.Violation violation : violations) {
            details.addFieldViolations(
                    FieldViolation.newBuilder().setField(violation.field()).setDescription(violation.description()));
        }
        return build(Code.INVALID_ARGUMENT, reason, message, details.build(), null);
    }

    private static Status build(
            Code code, String reason, String message, @Nullable BadRequest badRequest, @Nullable RetryInfo retry) {
        Status.Builder status = Status.newBuilder()
                .setCode(code.getNumber())
                .setMessage(message)
                .addDetails(Any.pack(ErrorInfo.newBuilder()
                        .setDomain(DOMAIN)
                        .setReason(reason)
                        .build()));
        if (badRequest != null) {
            status.addDetails(Any.pack(badRequest));
        }
        if (retry != null) {
            status.addDetails(Any.pack(retry));
        }
        return status.build();
    }
}
