package io.datainf.sidecar.rpc;

import io.datainf.proto.v1.QueryResponse;
import io.datainf.sidecar.query.QueryAnswer;
import io.datainf.sidecar.query.QueryListener;

/** Hands what becomes of queries to the pump of their call. */
final class QueryListeners {

    private QueryListeners() {}

    static QueryListener of(AnswerPump<QueryResponse> pump, String queryId) {
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
                pump.answered(queryId, new AnswerEncoder(answer));
            }

            @Override
            public void failed(Throwable cause) {
                pump.failed(queryId, cause);
            }
        };
    }
}
