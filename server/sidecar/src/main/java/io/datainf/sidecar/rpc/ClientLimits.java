package io.datainf.sidecar.rpc;

import io.datainf.sidecar.ingest.InFlightBudget;
import io.datainf.sidecar.security.Caller;
import io.datainf.sidecar.security.QuotaExceededException;
import io.grpc.Context;
import io.grpc.Contexts;
import io.grpc.ForwardingServerCallListener.SimpleForwardingServerCallListener;
import io.grpc.Metadata;
import io.grpc.ServerCall;
import io.grpc.ServerCallHandler;
import io.grpc.ServerInterceptor;
import io.grpc.health.v1.HealthGrpc;
import java.util.Objects;
import java.util.concurrent.ConcurrentHashMap;
import org.jspecify.annotations.Nullable;

/** Bounds the calls of each caller that are in progress, and the bytes that they have in flight. Comes after {@link AccessControl}. */
final class ClientLimits implements ServerInterceptor {

    private static final Context.Key<Use> USE = Context.key("io.datainf.client-use");

    private final InFlightBudget all;
    private final ConcurrentHashMap<String, Use> uses = new ConcurrentHashMap<>();

    /**
     * Creates the interceptor.
     *
     * @param all bytes in flight of all callers together
     */
    ClientLimits(InFlightBudget all) {
        this.all = all;
    }

    /** What the caller of the call that the calling thread serves may have in flight. */
    static InFlightBudget currentBudget() {
        return Objects.requireNonNull(USE.get(), "only calls of callers have a budget").budget;
    }

    @Override
    public <Q, R> ServerCall.Listener<Q> interceptCall(
            ServerCall<Q, R> call, Metadata headers, ServerCallHandler<Q, R> next) {
        if (HealthGrpc.SERVICE_NAME.equals(call.getMethodDescriptor().getServiceName())) {
            return next.startCall(call, headers);
        }
        Caller caller = AccessControl.current();
        Use use;
        try {
            use = enter(caller);
        } catch (QuotaExceededException e) {
            return StatusMapper.refuse(call, e);
        }
        boolean started = false;
        try {
            Context context = Context.current().withValue(USE, use);
            ServerCall.Listener<Q> listener = Contexts.interceptCall(context, call, headers, next);
            started = true;
            return new Leaving<>(listener, () -> leave(caller));
        } finally {
            if (!started) {
                leave(caller);
            }
        }
    }

    private Use enter(Caller caller) {
        int most = caller.quota().streams();
        return uses.compute(caller.name(), (name, found) -> {
            Use use = found == null ? new Use(all.part(caller.quota().inFlightBytes())) : found;
            if (use.callCount >= most) {
                throw new QuotaExceededException(
                        QuotaExceededException.Kind.STREAMS,
                        "'%s' has %d calls in progress: expected at most %d".formatted(name, use.callCount, most));
            }
            use.callCount++;
            return use;
        });
    }

    private void leave(Caller caller) {
        uses.computeIfPresent(caller.name(), (name, use) -> --use.callCount == 0 ? null : use);
    }

    /** What one caller has. */
    private static final class Use {

        private final InFlightBudget budget;
        // Changed only within the map's computations of this caller.
        private int callCount;

        Use(InFlightBudget budget) {
            this.budget = budget;
        }
    }

    /** Tells when the call is over: gRPC calls one of the two, once. */
    private static final class Leaving<Q> extends SimpleForwardingServerCallListener<Q> {

        private final Runnable left;

        Leaving(ServerCall.@Nullable Listener<Q> listener, Runnable left) {
            super(listener);
            this.left = left;
        }

        @Override
        public void onComplete() {
            left.run();
            super.onComplete();
        }

        @Override
        public void onCancel() {
            left.run();
            super.onCancel();
        }
    }
}
