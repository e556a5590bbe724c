package io.datainf.sidecar.server;

import io.datainf.proto.v1.IngestResponse;
import io.datainf.proto.v1.QueryStreamResponse;
import io.datainf.proto.v1.RejectedSample;
import io.datainf.sidecar.admin.RecentErrors;
import io.datainf.sidecar.rpc.CallContext;
import io.grpc.ForwardingServerCall.SimpleForwardingServerCall;
import io.grpc.Metadata;
import io.grpc.ServerCall;
import io.grpc.ServerCallHandler;
import io.grpc.ServerInterceptor;
import io.grpc.Status;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Tells the status page what clients were refused: calls, queries of a stream, samples. */
final class CallReports implements ServerInterceptor {

    private final RecentErrors errors;

    CallReports(RecentErrors errors) {
        this.errors = errors;
    }

    @Override
    public <Q, R> ServerCall.Listener<Q> interceptCall(
            ServerCall<Q, R> call, Metadata headers, ServerCallHandler<Q, R> next) {
        return next.startCall(new Reporting<>(call, CallContext.current()), headers);
    }

    private final class Reporting<Q, R> extends SimpleForwardingServerCall<Q, R> {

        private final CallContext context;

        Reporting(ServerCall<Q, R> call, CallContext context) {
            super(call);
            this.context = context;
        }

        @Override
        public void sendMessage(R message) {
            if (message instanceof IngestResponse response) {
                rejected(response.getAck().getRejectedSamplesList());
            } else if (message instanceof QueryStreamResponse response && response.hasError()) {
                report(
                        Status.fromCodeValue(response.getError().getCode()),
                        response.getError().getMessage());
            }
            super.sendMessage(message);
        }

        @Override
        public void close(Status status, Metadata trailers) {
            if (!status.isOk()) {
                report(status, status.getDescription());
            }
            super.close(status, trailers);
        }

        /** Says which block, not which value. */
        private void rejected(List<RejectedSample> samples) {
            if (samples.isEmpty()) {
                return;
            }
            RejectedSample first = samples.getFirst();
            String others = samples.size() == 1 ? "" : ", and %d more".formatted(samples.size() - 1);
            String reason = first.getReason().name().replace("REJECTION_REASON_", "");
            report("rejected sample %s: %s in block %s%s"
                    .formatted(Long.toUnsignedString(first.getSampleId()), reason, first.getBlockName(), others));
        }

        private void report(Status status, @Nullable String message) {
            report("%s: %s".formatted(status.getCode(), message == null ? "no message" : message));
        }

        private void report(String text) {
            String method = String.valueOf(getMethodDescriptor().getBareMethodName());
            errors.add(method, context.run(), text);
        }
    }
}
