package io.datainf.loadtests.ingest;

/**
 * How some rows went.
 *
 * @param bytes of the rows
 * @param seconds from the word to go until all writers knew that all rows were there
 * @param clientCpuSeconds what who sent used of all cores meanwhile
 * @param serverCpuSeconds what who took them did
 */
record Transfer(long bytes, double seconds, double clientCpuSeconds, double serverCpuSeconds) {

    double gigabytesPerSecond() {
        return bytes / 1e9 / seconds;
    }

    double clientSecondsPerGigabyte() {
        return clientCpuSeconds / (bytes / 1e9);
    }

    double serverSecondsPerGigabyte() {
        return serverCpuSeconds / (bytes / 1e9);
    }

    double secondsPerGigabyte() {
        return clientSecondsPerGigabyte() + serverSecondsPerGigabyte();
    }
}
