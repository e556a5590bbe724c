package io.datainf.sidecar.admin;

import io.datainf.sidecar.security.Scope;
import io.datainf.sidecar.security.TokenFile;
import java.util.Optional;
import java.util.Set;
import javax.net.ssl.SSLContext;
import org.jspecify.annotations.Nullable;

/**
 * What stands before pages.
 *
 * @param tls what the port speaks; empty: plain HTTP
 * @param clientCertificates whether clients must have certificates
 * @param tokens who may read; empty: nobody needs one
 */
public record HttpGuard(Optional<SSLContext> tls, boolean clientCertificates, Optional<TokenFile> tokens) {

    /** Nothing. */
    public static final HttpGuard NONE = new HttpGuard(Optional.empty(), false, Optional.empty());

    /** Whether the header {@code Authorization} allows to read metrics. */
    boolean allows(@Nullable String authorization) {
        return tokens.isEmpty()
                || TokenFile.bearer(authorization)
                        .flatMap(tokens.get()::find)
                        .filter(caller -> caller.mayAny(Set.of(Scope.METRICS)))
                        .isPresent();
    }
}
