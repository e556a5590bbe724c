package io.datainf.sidecar.rpc;

import io.grpc.stub.StreamObserver;
import java.util.concurrent.Callable;

/** Answers a unary call with a value or a status. */
final class UnaryAnswer {

    private UnaryAnswer() {}

    static <T> void send(StreamObserver<T> observer, Callable<T> work) {
        T response;
        try {
            response = work.call();
        } catch (Throwable e) { // the status says what it was
            observer.onError(StatusMapper.toException(e));
            return;
        }
        observer.onNext(response);
        observer.onCompleted();
    }
}
