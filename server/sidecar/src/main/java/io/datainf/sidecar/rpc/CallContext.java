package io.datainf.sidecar.rpc;

import io.datainf.engine.run.RunId;
import io.datainf.sidecar.tracing.CallTrace;
import io.datainf.sidecar.tracing.Tracing;
import io.grpc.Context;
import io.grpc.Contexts;
import io.grpc.ForwardingServerCallListener.SimpleForwardingServerCallListener;
import io.grpc.Metadata;
import io.grpc.ServerCall;
import io.grpc.ServerCallHandler;
import io.grpc.ServerInterceptor;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.slf4j.MDC;

/**
 * What a call is about: its number, its trace and, once it has been named, its run. What is logged while the call is served has run and number. Safe for any
 * number of threads.
 */
public final class CallContext {

    private static final String RUN = "run";
    private static final String STREAM = "stream";
    private static final Context.Key<CallContext> KEY = Context.key("io.datainf.call");
    private static final AtomicLong NUMBERS = new AtomicLong();

    private final String number = Long.toString(NUMBERS.incrementAndGet());
    private final CallTrace trace;
    private volatile @Nullable String run;

    private CallContext(CallTrace trace) {
        this.trace = trace;
    }

    /** The call that the calling thread serves. */
    public static CallContext current() {
        @Nullable CallContext context = KEY.get();
        return context == null ? new CallContext(CallTrace.OFF) : context;
    }

    /** The run that the call is about, once it is known and the caller may use it. */
    public Optional<String> run() {
        return Optional.ofNullable(run);
    }

    /** Where what the call does is traced. */
    CallTrace trace() {
        return trace;
    }

    /** Gives each call a context. */
    static ServerInterceptor interceptor(Tracing tracing) {
        return new Interceptor(tracing);
    }

    /** The call that the calling thread serves, if any, is about a run, which the caller may use. */
    static void nowAbout(RunId id) {
        @Nullable CallContext context = KEY.get();
        if (context != null) {
            context.run = id.value();
            MDC.put(RUN, id.value());
        }
    }

    /** Does something for the call on a thread that does not serve it; what it logs has run and number. */
    <T> T tagged(Supplier<T> action) {
        if (number.equals(MDC.get(STREAM))) {
            return action.get();
        }
        @Nullable String known = run;
        if (known != null) {
            MDC.put(RUN, known);
        }
        MDC.put(STREAM, number);
        try {
            return action.get();
        } finally {
            MDC.remove(RUN);
            MDC.remove(STREAM);
        }
    }

    private void tagged(Runnable action) {
        CallContext ignored = tagged(() -> {
            action.run();
            return this;
        });
    }

    private record Interceptor(Tracing tracing) implements ServerInterceptor {

        @Override
        public <Q, R> ServerCall.Listener<Q> interceptCall(
                ServerCall<Q, R> call, Metadata headers, ServerCallHandler<Q, R> next) {
            CallContext context = new CallContext(
                    tracing.begin(name -> headers.get(Metadata.Key.of(name, Metadata.ASCII_STRING_MARSHALLER))));
            return new Tagging<>(
                    Contexts.interceptCall(Context.current().withValue(KEY, context), call, headers, next), context);
        }
    }

    private static final class Tagging<Q> extends SimpleForwardingServerCallListener<Q> {

        private final CallContext context;

        Tagging(ServerCall.Listener<Q> delegate, CallContext context) {
            super(delegate);
            this.context = context;
        }

        @Override
        public void onMessage(Q message) {
            context.tagged(() -> super.onMessage(message));
        }

        @Override
        public void onHalfClose() {
            context.tagged(super::onHalfClose);
        }

        @Override
        public void onCancel() {
            context.tagged(super::onCancel);
        }

        @Override
        public void onComplete() {
            context.tagged(super::onComplete);
        }

        @Override
        public void onReady() {
            context.tagged(super::onReady);
        }
    }
}
