package io.datainf.client;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import com.google.protobuf.ByteString;
import io.datainf.proto.v1.CompareMethodsRequest;
import io.datainf.proto.v1.CompareMethodsResponse;
import io.datainf.proto.v1.CompareMethodsSpec;
import io.datainf.proto.v1.GradientChunk;
import io.grpc.stub.ClientCallStreamObserver;
import io.grpc.stub.ClientResponseObserver;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import org.jspecify.annotations.Nullable;

/** One call of CompareMethods. Sends as the transport takes. gRPC calls the observer methods one at a time. */
final class ComparisonCall implements ClientResponseObserver<CompareMethodsRequest, CompareMethodsResponse> {
    private final CompareMethodsSpec spec;
    private final ByteString gradients;
    private final CompletableFuture<MethodComparison> answer = new CompletableFuture<>();
    private @Nullable ClientCallStreamObserver<CompareMethodsRequest> requests;

    // The on-ready handler may first run while start() is still sending the spec.
    private final Object sending = new Object();

    @GuardedBy("sending")
    private boolean started;

    @GuardedBy("sending")
    private int sentBytes;

    @GuardedBy("sending")
    private boolean completed;

    /** Prepares the call; gradients are [count, D] float32, empty for stored samples. */
    ComparisonCall(CompareMethodsSpec spec, ByteString gradients) {
        this.spec = spec;
        this.gradients = gradients;
    }

    @Override
    public void beforeStart(ClientCallStreamObserver<CompareMethodsRequest> stream) {
        requests = stream;
        stream.setOnReadyHandler(this::sendMore);
    }

    /** Sends the question and waits for the answer; interruption cancels the call. */
    MethodComparison run() throws InterruptedException {
        synchronized (sending) {
            stream().onNext(CompareMethodsRequest.newBuilder().setSpec(spec).build());
            started = true;
        }
        sendMore();
        try {
            return answer.get();
        } catch (ExecutionException e) {
            if (e.getCause() instanceof DataInfException failure) {
                throw failure.again();
            }
            throw new IllegalStateException("the answer cannot be read", e.getCause());
        } catch (InterruptedException e) {
            stream().cancel("the caller was interrupted", e);
            throw e;
        }
    }

    private void sendMore() {
        synchronized (sending) {
            while (started && !completed && stream().isReady()) {
                if (sentBytes == gradients.size()) {
                    completed = true;
                    stream().onCompleted();
                    return;
                }
                int begin = sentBytes;
                int end = (int) Math.min(gradients.size(), (long) begin + InfluenceCall.CHUNK_BYTES);
                // Before onNext: with a direct executor it may come back here.
                sentBytes = end;
                stream()
                        .onNext(CompareMethodsRequest.newBuilder()
                                .setChunk(GradientChunk.newBuilder()
                                        .setElementOffset(begin / Float.BYTES)
                                        .setGradients(gradients.substring(begin, end)))
                                .build());
            }
        }
    }

    @Override
    public void onNext(CompareMethodsResponse response) {
        if (response.hasComparison()) {
            answer.complete(MethodComparison.of(response.getComparison()));
        }
    }

    @Override
    public void onError(Throwable failure) {
        answer.completeExceptionally(DataInfException.of(failure));
    }

    @Override
    public void onCompleted() {
        // Without effect when the answer is there.
        answer.completeExceptionally(new DataInfException(
                io.grpc.Status.Code.INTERNAL, "", "the server ended the call without a comparison"));
    }

    private ClientCallStreamObserver<CompareMethodsRequest> stream() {
        if (requests == null) {
            throw new IllegalStateException("the call has not started");
        }
        return requests;
    }
}
