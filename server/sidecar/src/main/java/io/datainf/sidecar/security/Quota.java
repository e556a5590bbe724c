package io.datainf.sidecar.security;

/**
 * What one client may take of a server that others use, too.
 *
 * @param streams calls in progress; at least 1
 * @param inFlightBytes gradient bytes that arrived and are not durable yet, over its streams; at least 1. Beyond, they are not read
 * @param runs runs that exist under the names that it may use; at least 0. Beyond, it creates none
 * @param diskBytes size of their files; at least 0. Beyond, it stores no samples
 */
public record Quota(int streams, long inFlightBytes, int runs, long diskBytes) {

    /** 1,000 streams, 10,000 runs. */
    public static final Quota DEFAULT = new Quota(1_000, Long.MAX_VALUE, 10_000, Long.MAX_VALUE);

    public Quota {
        require("client-streams", streams, 1);
        require("client-in-flight", inFlightBytes, 1);
        require("client-runs", runs, 0);
        require("client-disk", diskBytes, 0);
    }

    private static void require(String name, long value, long least) {
        if (value < least) {
            throw new IllegalArgumentException("%s is %d: expected at least %d".formatted(name, value, least));
        }
    }
}
