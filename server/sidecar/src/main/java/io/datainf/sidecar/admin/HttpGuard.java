package io.datainf.sidecar.admin;

import io.datainf.sidecar.security.Caller;
import io.datainf.sidecar.security.Quota;
import io.datainf.sidecar.security.Scope;
import io.datainf.sidecar.security.TokenFile;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
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
 * @param tokens who may read; empty: nobody needs one
 */
public record HttpGuard(Optional<SSLContext> tls, boolean clientCertificates, Optional<TokenFile> tokens) {

    /** Nothing. */
    public static final HttpGuard NONE = new HttpGuard(Optional.empty(), false, Optional.empty());

    /** Who asks where nobody need be known. */
    static final Caller ANYBODY = Caller.trusted("anybody", Quota.DEFAULT);

    private static final String BASIC = "basic ";

    /**
     * Returns who asks, if that is allowed.
     *
     * @param authorization the header: the token as a bearer, or as the password of whatever user, which is how browsers ask for it
     * @param scopes one of which the token needs
     */
    Optional<Caller> caller(@Nullable String authorization, Set<Scope> scopes) {
        if (tokens.isEmpty()) {
            return Optional.of(ANYBODY);
        }
        return TokenFile.bearer(authorization)
                .or(() -> password(authorization))
                .flatMap(tokens.get()::find)
                .filter(caller -> caller.mayAny(scopes));
    }

    private static Optional<String> password(@Nullable String authorization) {
        if (authorization == null || !authorization.toLowerCase(Locale.ROOT).startsWith(BASIC)) {
            return Optional.empty();
        }
        try {
            byte[] decoded = Base64.getDecoder()
                    .decode(authorization.substring(BASIC.length()).strip());
            String credentials = new String(decoded, StandardCharsets.UTF_8);
            int colon = credentials.indexOf(':');
            return colon < 0 ? Optional.empty() : Optional.of(credentials.substring(colon + 1));
        } catch (IllegalArgumentException e) {
            return Optional.empty(); // no Base64: as good as nothing
        }
    }
}
