package io.datainf.sidecar.rpc;

import io.datainf.proto.v1.QueryResponse;
import io.datainf.sidecar.query.QueryAnswer;
import io.datainf.sidecar.query.QueryListener;

/** Hands what becomes of queries to the pump of their call. */
final class QueryListeners {

    private QueryListeners() {}

    /** Hands on, and tells {@code call} of the query's trace. On the thread that submits the query. */
    static QueryListener of(AnswerPump<QueryResponse> pump, String queryId, CallContext call) {
        QueryTrace trace = new QueryTrace(call);
        return new QueryListener() {
            @Override
            public void progressed(double fraction) {
                pump.interim(
                        queryId,
                        QueryResponse.newBuilder()
                                .setProgress(Encodings.progress(fraction))
                                .build());
            }

            @Override
            public void answered(QueryAnswer answer) {
                pump.answered(queryId, new AnswerEncoder(answer, trace));
            }

            @Override
            public void failed(Throwable cause) {
                trace.failed(cause);
                pump.failed(queryId, cause);
            }
        };
    }
}
