package io.datainf.client;

import com.google.protobuf.Any;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.rpc.BadRequest;
import com.google.rpc.ErrorInfo;
import com.google.rpc.RetryInfo;
import io.grpc.Status;
import io.grpc.protobuf.StatusProto;
import java.time.Duration;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/** A call failed, at the server or on the way. The message names code, reason and the fields at fault. */
public sealed class DataInfException extends RuntimeException permits WriterFullException {
    private static final long serialVersionUID = 1;

    private final Status.Code code;
    private final String reason;
    private final @Nullable Duration retryDelay;

    DataInfException(Status.Code code, String reason, String message) {
        this(code, reason, message, null, null);
    }

    private DataInfException(
            Status.Code code, String reason, String message, @Nullable Duration retryDelay, @Nullable Throwable cause) {
        super(message, cause);
        this.code = code;
        this.reason = reason;
        this.retryDelay = retryDelay;
    }

    /** What went wrong. */
    public Status.Code code() {
        return code;
    }

    /** The server's name for the cause, in UPPER_SNAKE_CASE; empty if it gave none. */
    public String reason() {
        return reason;
    }

    /** How long the server asks to wait before the next attempt, if it does. */
    public Optional<Duration> retryDelay() {
        return Optional.ofNullable(retryDelay);
    }

    /** Returns the exception for what a gRPC call ended with, with the google.rpc details if there are any. */
    static DataInfException of(Throwable failure) {
        Status status = Status.fromThrowable(failure);
        String description = status.getDescription();
        StringBuilder message = new StringBuilder(description == null ? failure.toString() : description);
        if (status.getCause() != null) {
            // Such as the address that refuses connections.
            message.append(": ").append(status.getCause().getMessage());
        }
        String reason = "";
        Duration retryDelay = null;
        com.google.rpc.Status details = StatusProto.fromThrowable(failure);
        StringBuilder fields = new StringBuilder();
        try {
            for (Any detail : details == null ? java.util.List.<Any>of() : details.getDetailsList()) {
                if (detail.is(ErrorInfo.class)) {
                    reason = detail.unpack(ErrorInfo.class).getReason();
                } else if (detail.is(RetryInfo.class)) {
                    var delay = detail.unpack(RetryInfo.class).getRetryDelay();
                    retryDelay = Duration.ofSeconds(delay.getSeconds(), delay.getNanos());
                } else if (detail.is(BadRequest.class)) {
                    for (var violation : detail.unpack(BadRequest.class).getFieldViolationsList()) {
                        fields.append("\n  ").append(violation.getField()).append(": ");
                        fields.append(violation.getDescription());
                    }
                }
            }
        } catch (InvalidProtocolBufferException e) {
            // Details are a help, not the message.
            fields.append("\n  (details cannot be read: ")
                    .append(e.getMessage())
                    .append(')');
        }
        message.append(" [").append(status.getCode());
        message.append(reason.isEmpty() ? "" : ", " + reason).append(']').append(fields);
        return new DataInfException(status.getCode(), reason, message.toString(), retryDelay, failure);
    }

    /** Returns an exception that says the same, with the present stack: one failure is thrown to several callers. */
    DataInfException again() {
        return new DataInfException(code, reason, String.valueOf(getMessage()), retryDelay, this);
    }
}
