package io.datainf.sidecar.rpc;

import io.datainf.proto.v1.AnalysisServiceGrpc;
import io.datainf.proto.v1.CapabilitiesServiceGrpc;
import io.datainf.proto.v1.ExportServiceGrpc;
import io.datainf.proto.v1.InfluenceServiceGrpc;
import io.datainf.proto.v1.IngestServiceGrpc;
import io.datainf.proto.v1.RunServiceGrpc;
import io.datainf.sidecar.security.Caller;
import io.datainf.sidecar.security.Quota;
import io.datainf.sidecar.security.Scope;
import io.datainf.sidecar.security.TokenFile;
import io.grpc.Context;
import io.grpc.Contexts;
import io.grpc.Metadata;
import io.grpc.MethodDescriptor;
import io.grpc.ServerCall;
import io.grpc.ServerCallHandler;
import io.grpc.ServerInterceptor;
import io.grpc.health.v1.HealthGrpc;
import java.util.EnumSet;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * Lets calls through whose token allows their method; what runs they may name, {@link RunIds} asks. Calls on a Unix socket need no
 * token: the file's mode says who may connect. Health needs none either.
 */
final class AccessControl implements ServerInterceptor {

    private static final Metadata.Key<String> AUTHORIZATION =
            Metadata.Key.of("authorization", Metadata.ASCII_STRING_MARSHALLER);
    private static final Context.Key<Caller> CALLER =
            Context.keyWithDefault("io.datainf.caller", Caller.trusted("unknown", Quota.DEFAULT));

    private static final Set<Scope> ANY = EnumSet.allOf(Scope.class);
    // What is not named here is for administrators.
    private static final Map<String, Set<Scope>> SERVICES = Map.of(
            InfluenceServiceGrpc.SERVICE_NAME, Set.of(Scope.QUERY),
            AnalysisServiceGrpc.SERVICE_NAME, Set.of(Scope.QUERY),
            ExportServiceGrpc.SERVICE_NAME, Set.of(Scope.QUERY),
            CapabilitiesServiceGrpc.SERVICE_NAME, ANY);
    private static final Map<String, Set<Scope>> METHODS = Map.of(
            IngestServiceGrpc.getIngestMethod().getFullMethodName(), Set.of(Scope.INGEST),
            RunServiceGrpc.getCreateRunMethod().getFullMethodName(), Set.of(Scope.INGEST),
            RunServiceGrpc.getGetRunMethod().getFullMethodName(), ANY,
            RunServiceGrpc.getListRunsMethod().getFullMethodName(), ANY,
            RunServiceGrpc.getGetStatisticsMethod().getFullMethodName(), Set.of(Scope.QUERY, Scope.ADMIN));

    private final Optional<TokenFile> tokens;
    private final Quota usual;

    /**
     * Creates the interceptor.
     *
     * @param tokens one of which each call needs; empty: nobody needs one
     * @param usual quota of callers without a token
     */
    AccessControl(Optional<TokenFile> tokens, Quota usual) {
        this.tokens = tokens;
        this.usual = usual;
    }

    /** Who makes the call that the calling thread serves. */
    static Caller current() {
        return CALLER.get();
    }

    @Override
    public <Q, R> ServerCall.Listener<Q> interceptCall(
            ServerCall<Q, R> call, Metadata headers, ServerCallHandler<Q, R> next) {
        Caller caller;
        try {
            caller = identify(call, headers);
        } catch (AccessDeniedException e) {
            return StatusMapper.refuse(call, e);
        }
        return Contexts.interceptCall(Context.current().withValue(CALLER, caller), call, headers, next);
    }

    private Caller identify(ServerCall<?, ?> call, Metadata headers) {
        MethodDescriptor<?, ?> method = call.getMethodDescriptor();
        if (ClientConnection.onThisHost()) {
            return Caller.trusted("unix-socket", usual);
        }
        if (tokens.isEmpty() || HealthGrpc.SERVICE_NAME.equals(method.getServiceName())) {
            return Caller.trusted(ClientConnection.peerName(call.getAttributes()), usual);
        }
        String token = TokenFile.bearer(headers.get(AUTHORIZATION))
                .orElseThrow(() ->
                        AccessDeniedException.unknown("no token: expected metadata 'authorization: Bearer TOKEN'"));
        Caller caller = tokens.get()
                .find(token)
                .orElseThrow(() -> AccessDeniedException.unknown("the bearer token is none of this server's"));
        Set<Scope> needed = neededBy(method);
        if (!caller.mayAny(needed)) {
            throw AccessDeniedException.forbidden(
                    "SCOPE_MISSING",
                    "%s needs scope %s: token '%s' has %s"
                            .formatted(
                                    method.getFullMethodName(),
                                    labels(needed),
                                    caller.name(),
                                    labels(caller.scopes())));
        }
        return caller;
    }

    private static Set<Scope> neededBy(MethodDescriptor<?, ?> method) {
        Set<Scope> ofMethod = METHODS.get(method.getFullMethodName());
        if (ofMethod != null) {
            return ofMethod;
        }
        String service = String.valueOf(method.getServiceName());
        return SERVICES.getOrDefault(service, Set.of(Scope.ADMIN));
    }

    private static String labels(Set<Scope> scopes) {
        return String.join(" or ", scopes.stream().map(Scope::label).sorted().toList());
    }
}
