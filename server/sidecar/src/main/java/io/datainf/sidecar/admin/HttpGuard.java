package io.datainf.sidecar.admin;

import io.datainf.sidecar.security.Callers;
import io.datainf.sidecar.security.Scope;
import java.util.Locale;
import java.util.Optional;
import java.util.Set;
import javax.net.ssl.SSLContext;
import org.jspecify.annotations.Nullable;

/**
 * What stands before pages.
 *
 * @param tls what the port speaks; empty: plain HTTP
 * @param clientCertificates whether clients must have certificates
 * @param callers who has tokens; empty: nobody needs one
 */
public record HttpGuard(Optional<SSLContext> tls, boolean clientCertificates, Optional<Callers> callers) {

    /** Nothing. */
    public static final HttpGuard NONE = new HttpGuard(Optional.empty(), false, Optional.empty());

    private static final String BEARER = "bearer ";

    /** Whether the header {@code Authorization} allows to read metrics. */
    boolean allows(@Nullable String authorization) {
        if (callers.isEmpty()) {
            return true;
        }
        if (authorization == null || !authorization.toLowerCase(Locale.ROOT).startsWith(BEARER)) {
            return false;
        }
        return callers.get()
                .find(authorization.substring(BEARER.length()).strip())
                .filter(caller -> caller.mayAny(Set.of(Scope.METRICS)))
                .isPresent();
    }
}
