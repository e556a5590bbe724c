package io.datainf.sidecar.rpc;

import io.grpc.stub.ServerCallStreamObserver;
import java.util.concurrent.Executor;

/**
 * A call that gets one answer, sent as the client reads.
 *
 * @param <R> what is sent
 */
final class AnswerCall<R> implements AnswerPump.Output<R> {

    /** Id of the answer at the pump. */
    static final String ONLY = "";

    private final ServerCallStreamObserver<R> call;
    private final DrainGate gate;
    private final CallContext context = CallContext.current();
    private final AnswerPump<R> pump;

    AnswerCall(ServerCallStreamObserver<R> call, DrainGate gate, Executor executor) {
        this.call = call;
        this.gate = gate;
        this.pump = new AnswerPump<>(this, call::isReady, executor, this);
    }

    /**
     * Lets the call in and runs {@code submit}, which takes care that {@link #answered} or {@link #failed} follows, or throws.
     *
     * @param discard lets go of waiting work whose asker is gone
     */
    void begin(Runnable discard, Runnable submit) {
        call.setOnCancelHandler(() -> {
            pump.stop();
            discard.run();
            gate.leave(this);
        });
        call.setOnReadyHandler(pump::pumpLater);
        try {
            gate.enter(this, () -> {}); // work that is in may finish
            submit.run();
        } catch (RuntimeException | OutOfMemoryError e) {
            failed(e);
        }
    }

    /** Whether nobody waits for the answer any more. */
    boolean cancelled() {
        return call.isCancelled();
    }

    /** Where the answer goes. */
    AnswerPump<R> pump() {
        return pump;
    }

    /** Sends a message ahead of the answer. */
    void interim(R part) {
        pump.interim(ONLY, part);
    }

    /** Sends the answer. */
    void answered(Parts<R> parts) {
        pump.answered(ONLY, parts);
    }

    /** Ends the call with an error. */
    void failed(Throwable cause) {
        pump.failed(ONLY, cause);
    }

    @Override
    public void part(String queryId, R part) {
        call.onNext(part);
    }

    @Override
    public void failed(String queryId, Throwable cause) {
        call.onError(context.tagged(() -> StatusMapper.toException(cause)));
        gate.leave(this);
    }

    @Override
    public void finished(String queryId) {
        call.onCompleted();
        gate.leave(this);
    }
}
