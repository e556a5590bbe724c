package io.datainf.sidecar.rpc;

import io.datainf.engine.run.Run;
import io.datainf.engine.run.RunDefinition;
import io.datainf.engine.run.RunId;
import io.datainf.engine.run.RunRegistry;
import io.datainf.engine.run.RunSnapshot;
import io.datainf.proto.v1.CreateRunRequest;
import io.datainf.proto.v1.CreateRunResponse;
import io.datainf.proto.v1.DeleteRunRequest;
import io.datainf.proto.v1.DeleteRunResponse;
import io.datainf.proto.v1.GetRunRequest;
import io.datainf.proto.v1.GetRunResponse;
import io.datainf.proto.v1.GetStatisticsRequest;
import io.datainf.proto.v1.GetStatisticsResponse;
import io.datainf.proto.v1.ListRunsRequest;
import io.datainf.proto.v1.ListRunsResponse;
import io.datainf.proto.v1.RunServiceGrpc;
import io.datainf.sidecar.security.Caller;
import io.grpc.stub.StreamObserver;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Creates, describes and deletes runs. */
final class RunGrpcService extends RunServiceGrpc.RunServiceImplBase {

    private static final int DEFAULT_PAGE_SIZE = 100;
    private static final int MAX_PAGE_SIZE = 1_000;
    // gRPC clients refuse messages over 4 MiB by default; a page ends early rather than reach that.
    private static final int MAX_PAGE_BYTES = 2 << 20;
    private static final String TOKEN_PREFIX = "after:";

    private static final Logger AUDIT = LoggerFactory.getLogger("audit");

    private final RunRegistry runs;
    private final StorageQuota quota;

    RunGrpcService(RunRegistry runs, StorageQuota quota) {
        this.runs = runs;
        this.quota = quota;
    }

    @Override
    public void createRun(CreateRunRequest request, StreamObserver<CreateRunResponse> observer) {
        UnaryAnswer.send(observer, () -> {
            RunDefinition definition = RunDecoder.decode(request.getRun());
            RunIds.requireAllowed(definition.id());
            quota.requireRoomForRun(AccessControl.current(), definition.id());
            Run run = runs.create(definition);
            return CreateRunResponse.newBuilder().setRun(RunEncoder.encode(run)).build();
        });
    }

    @Override
    public void getRun(GetRunRequest request, StreamObserver<GetRunResponse> observer) {
        UnaryAnswer.send(observer, () -> {
            Run run = runs.get(RunIds.decode("run_id", request.getRunId()));
            return GetRunResponse.newBuilder()
                    .setRun(RunEncoder.encodeWhole(run))
                    .build();
        });
    }

    @Override
    public void listRuns(ListRunsRequest request, StreamObserver<ListRunsResponse> observer) {
        UnaryAnswer.send(observer, () -> page(request));
    }

    @Override
    public void deleteRun(DeleteRunRequest request, StreamObserver<DeleteRunResponse> observer) {
        UnaryAnswer.send(observer, () -> {
            RunId id = RunIds.decode("run_id", request.getRunId());
            runs.delete(id);
            AUDIT.info(
                    "DeleteRun run={} by={}",
                    id.value(),
                    AccessControl.current().name());
            return DeleteRunResponse.getDefaultInstance();
        });
    }

    @Override
    public void getStatistics(GetStatisticsRequest request, StreamObserver<GetStatisticsResponse> observer) {
        UnaryAnswer.send(observer, () -> {
            Run run = runs.get(RunIds.decode("run_id", request.getRunId()));
            try (RunSnapshot snapshot = run.snapshot()) {
                return RunEncoder.statistics(snapshot);
            }
        });
    }

    private ListRunsResponse page(ListRunsRequest request) {
        if (request.getPageSize() < 0) {
            throw new InvalidRequestException(
                    "page_size", "page_size is %d: expected at least 0".formatted(request.getPageSize()));
        }
        int size = request.getPageSize() == 0 ? DEFAULT_PAGE_SIZE : Math.min(request.getPageSize(), MAX_PAGE_SIZE);
        // One more than asked for tells whether there is another page.
        List<Run> found = allowed(decodeToken(request.getPageToken()), size + 1);
        ListRunsResponse.Builder page = ListRunsResponse.newBuilder();
        int pageBytes = 0;
        for (Run run : found) {
            io.datainf.proto.v1.Run encoded = RunEncoder.encode(run);
            pageBytes += encoded.getSerializedSize();
            int count = page.getRunsCount();
            if (count == size || (count > 0 && pageBytes > MAX_PAGE_BYTES)) {
                page.setNextPageToken(encodeToken(page.getRuns(count - 1).getRunId()));
                break;
            }
            page.addRuns(encoded);
        }
        return page.build();
    }

    /** Returns the first runs after a name that the caller may use. */
    private List<Run> allowed(String afterId, int count) {
        Caller caller = AccessControl.current();
        List<Run> allowed = new ArrayList<>();
        String last = afterId;
        while (allowed.size() < count) {
            List<Run> some = runs.list(last, count);
            some.stream()
                    .filter(run -> caller.mayUse(run.definition().id().value()))
                    .limit(count - allowed.size())
                    .forEach(allowed::add);
            if (some.size() < count) {
                break;
            }
            last = some.getLast().definition().id().value();
        }
        return allowed;
    }

    private static String encodeToken(String lastRunId) {
        return Base64.getUrlEncoder()
                .withoutPadding()
                .encodeToString((TOKEN_PREFIX + lastRunId).getBytes(StandardCharsets.UTF_8));
    }

    private static String decodeToken(String token) {
        if (token.isEmpty()) {
            return "";
        }
        try {
            String decoded = new String(Base64.getUrlDecoder().decode(token), StandardCharsets.UTF_8);
            if (decoded.startsWith(TOKEN_PREFIX)) {
                return new RunId(decoded.substring(TOKEN_PREFIX.length())).value();
            }
        } catch (IllegalArgumentException e) {
            // Neither Base64 nor a run id: the same answer as for another prefix.
        }
        throw new InvalidRequestException(
                "page_token", "page_token is '%s': expected a next_page_token of ListRuns".formatted(token));
    }
}
