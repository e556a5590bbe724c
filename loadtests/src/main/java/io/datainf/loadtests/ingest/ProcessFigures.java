package io.datainf.loadtests.ingest;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collection;
import java.util.stream.Stream;

/** What the system says about processes. */
public final class ProcessFigures {

    private static final double TICKS_PER_SECOND = 100; // sysconf(_SC_CLK_TCK), fixed on Linux
    // Fields of /proc/PID/stat behind the name, which is in parentheses: state is the first.
    private static final int USER_TICKS = 11;
    private static final int SYSTEM_TICKS = 12;

    private ProcessFigures() {}

    /** Seconds of all cores that these processes have used so far, all threads, user and system. */
    static double cpuSeconds(Collection<Long> pids) throws IOException {
        double ticks = 0;
        for (long pid : pids) {
            String stat = Files.readString(Path.of("/proc", Long.toString(pid), "stat"));
            String[] fields = stat.substring(stat.lastIndexOf(')') + 2).split(" ", -1);
            ticks += Double.parseDouble(fields[USER_TICKS]) + Double.parseDouble(fields[SYSTEM_TICKS]);
        }
        return ticks / TICKS_PER_SECOND;
    }

    /** Bytes of memory that a process has resident now. */
    public static double residentBytes(long pid) throws IOException {
        Path status = Path.of("/proc", Long.toString(pid), "status");
        return Files.readAllLines(status).stream()
                .filter(line -> line.startsWith("VmRSS:"))
                .mapToDouble(line -> 1024 * Double.parseDouble(line.replaceAll("[^0-9]", "")))
                .findFirst()
                .orElseThrow(() -> new IOException(status + " has no VmRSS"));
    }

    /** Files and sockets that a process has open now. */
    public static long openFiles(long pid) throws IOException {
        try (Stream<Path> files = Files.list(Path.of("/proc", Long.toString(pid), "fd"))) {
            return files.count();
        }
    }
}
