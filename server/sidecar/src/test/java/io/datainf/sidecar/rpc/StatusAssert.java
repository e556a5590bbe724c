package io.datainf.sidecar.rpc;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.protobuf.Any;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.Message;
import com.google.rpc.BadRequest;
import com.google.rpc.BadRequest.FieldViolation;
import com.google.rpc.Code;
import com.google.rpc.ErrorInfo;
import com.google.rpc.RetryInfo;
import com.google.rpc.Status;
import io.grpc.protobuf.StatusProto;
import java.util.List;
import java.util.Optional;

/** Assertions on a status and its details. */
final class StatusAssert {

    private final Status status;

    private StatusAssert(Status status) {
        this.status = status;
    }

    static StatusAssert assertStatus(Throwable thrown) {
        Status status = StatusProto.fromThrowable(thrown);
        assertThat(status).describedAs("status of %s", thrown).isNotNull();
        return new StatusAssert(status);
    }

    static StatusAssert assertStatus(Status status) {
        return new StatusAssert(status);
    }

    StatusAssert is(Code code, String reason) {
        assertThat(Code.forNumber(status.getCode()))
                .describedAs(status.getMessage())
                .isEqualTo(code);
        ErrorInfo info = detail(ErrorInfo.class).orElseThrow();
        assertThat(info.getDomain()).isEqualTo("datainf.io");
        assertThat(info.getReason()).isEqualTo(reason);
        return this;
    }

    StatusAssert says(String... parts) {
        assertThat(status.getMessage()).contains(parts);
        return this;
    }

    StatusAssert saysNot(String part) {
        assertThat(status.getMessage()).doesNotContain(part);
        return this;
    }

    StatusAssert violates(String... fields) {
        List<String> violated = detail(BadRequest.class).orElseThrow().getFieldViolationsList().stream()
                .map(FieldViolation::getField)
                .toList();
        assertThat(violated).containsExactlyInAnyOrder(fields);
        return this;
    }

    StatusAssert mayBeRetried() {
        RetryInfo retry = detail(RetryInfo.class).orElseThrow();
        assertThat(retry.getRetryDelay().getSeconds() * 1_000_000_000L
                        + retry.getRetryDelay().getNanos())
                .isPositive();
        return this;
    }

    StatusAssert mayNotBeRetried() {
        assertThat(detail(RetryInfo.class)).isEmpty();
        return this;
    }

    private <T extends Message> Optional<T> detail(Class<T> type) {
        for (Any detail : status.getDetailsList()) {
            if (detail.is(type)) {
                try {
                    return Optional.of(detail.unpack(type));
                } catch (InvalidProtocolBufferException e) {
                    throw new AssertionError(e);
                }
            }
        }
        return Optional.empty();
    }
}
