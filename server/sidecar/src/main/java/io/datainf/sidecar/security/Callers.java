package io.datainf.sidecar.security;

import java.util.Optional;

/** Knows callers by the tokens that they show. */
@FunctionalInterface
public interface Callers {

    /** Returns whose token it is; empty if nobody's. */
    Optional<Caller> find(String token);
}
