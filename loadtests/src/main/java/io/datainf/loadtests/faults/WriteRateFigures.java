package io.datainf.loadtests.faults;

import io.datainf.loadtests.report.Figure;
import io.datainf.loadtests.report.Measured;
import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * How fast acknowledged rows of 1.6 MB reach the disk, beside how fast a lone writer writes the same bytes to a file on the same
 * disk, with fdatasync after as many bytes as the store's groups have.
 */
final class WriteRateFigures {

    private static final double LEAST_RATIO = 0.7;
    private static final double MEGABYTE = 1e6;

    private WriteRateFigures() {}

    static List<Figure> measure(boolean quick) throws Exception {
        int rounds = quick ? 2 : 7;
        int samples = quick ? 320 : 1_280;
        Path folder = Files.createTempDirectory("datainf");
        try {
            List<Figure> figures = new ArrayList<>();
            StoreWriting.write(folder, 1, samples); // compiles everything
            for (int writers : new int[] {1, 4}) {
                List<Double> ours = new ArrayList<>();
                List<Double> disk = new ArrayList<>();
                List<Double> ratios = new ArrayList<>();
                List<Double> groups = new ArrayList<>();
                for (int round = 0; round < rounds; round++) {
                    touchMemory(samples * StoreWriting.ROW_BYTES);
                    StoreWriting.Result result = StoreWriting.write(folder, writers, samples);
                    touchMemory(samples * StoreWriting.ROW_BYTES);
                    double sequential = DiskWriting.bytesPerSecond(folder, result.bytes(), result.groupBytes());
                    ours.add(result.bytesPerSecond() / MEGABYTE);
                    disk.add(sequential / MEGABYTE);
                    ratios.add(result.bytesPerSecond() / sequential);
                    groups.add((double) result.groupBytes() / MEGABYTE);
                }
                String suffix = writers == 1 ? ", 1 writer" : ", %d writers".formatted(writers);
                figures.add(Figure.reported("write rate with force" + suffix, Measured.median(ours), "MB/s"));
                figures.add(Figure.reported("group" + suffix, Measured.median(groups), "MB"));
                figures.add(Figure.reported("sequential with fdatasync" + suffix, Measured.median(disk), "MB/s"));
                figures.add(Figure.atLeast(
                        "write rate with force / sequential with fdatasync" + suffix,
                        Measured.median(ratios),
                        "x",
                        LEAST_RATIO));
            }
            return figures;
        } finally {
            Files.delete(folder);
        }
    }

    /**
     * Touches twice as much memory and gives it back. In a virtual machine memory that nobody has used for some seconds comes from
     * the host at less than the speed of the disk, and both ways of writing need new memory.
     */
    private static void touchMemory(long bytes) {
        try (Arena arena = Arena.ofConfined()) {
            arena.allocate(2 * bytes, 4096).fill((byte) 1);
        }
    }
}
