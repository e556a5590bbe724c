package io.datainf.engine.run;

import io.datainf.engine.influence.SquaredNorms;
import io.datainf.engine.store.DataDirectory;
import io.datainf.engine.store.Durability;
import io.datainf.engine.store.LogVerifier;
import io.datainf.engine.store.RunManifest;
import io.datainf.engine.store.StoreFiles;
import io.datainf.engine.store.StoreFormatException;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.function.Consumer;

/** Checks all checksums of a data directory that no server uses, and the squared norms that statistics are made of. */
public final class DataVerifier {

    // Sums of the same squares in another order.
    private static final double TOLERANCE = 1e-12;

    /**
     * What was looked at.
     *
     * @param runCount runs
     * @param rowCount rows whose checksum and squared norms are right, dead ones included
     * @param findingCount what was not as it should be
     */
    public record Summary(long runCount, long rowCount, long findingCount) {}

    private final Consumer<String> findings;
    private long runCount;
    private long rowCount;
    private long findingCount;

    private DataVerifier(Consumer<String> findings) {
        this.findings = findings;
    }

    /**
     * Verifies all runs; samples and files stay as they are.
     *
     * @param findings is told in a sentence each what is not as it should be
     * @throws io.datainf.engine.store.DataDirectoryInUseException if a server uses the directory
     * @throws IOException if it cannot be read
     */
    public static Summary verify(Path dataDirectory, Consumer<String> findings) throws IOException {
        DataVerifier verifier = new DataVerifier(findings);
        try (DataDirectory directory = DataDirectory.open(dataDirectory, StoreFiles.SYSTEM, Durability.FSYNC)) {
            for (String name : directory.runNames()) {
                if (RunId.valid(name)) {
                    verifier.verify(directory, name);
                }
            }
        }
        return new Summary(verifier.runCount, verifier.rowCount, verifier.findingCount);
    }

    private void verify(DataDirectory directory, String name) {
        runCount++;
        try {
            RunManifest manifest = directory.readManifest(name);
            new LogVerifier(directory.runDirectory(name), manifest, new Rows(manifest)).verify();
        } catch (StoreFormatException e) {
            found(String.valueOf(e.getMessage()));
        } catch (IOException e) {
            found("run '%s' cannot be read: %s".formatted(name, e.getMessage()));
        }
    }

    private void found(String sentence) {
        findingCount++;
        findings.accept(sentence);
    }

    /** Computes squared norms again. */
    private final class Rows implements LogVerifier.Visitor {

        private final RunManifest manifest;
        private final double[] computed;

        Rows(RunManifest manifest) {
            this.manifest = manifest;
            this.computed = new double[manifest.layout().blockCount()];
        }

        @Override
        public void row(Path file, long sampleId, double[] q, MemorySegment row) {
            SquaredNorms.ofRow(row, manifest.layout(), manifest.storedType(), computed);
            for (int l = 0; l < q.length; l++) {
                if (!(Math.abs(q[l] - computed[l]) <= TOLERANCE * computed[l])) {
                    found("%s: sample %s has squared norm %s in block '%s': expected %s, that of its row"
                            .formatted(
                                    file,
                                    Long.toUnsignedString(sampleId),
                                    q[l],
                                    manifest.layout().blocks().get(l).name(),
                                    computed[l]));
                    return;
                }
            }
            rowCount++;
        }

        @Override
        public void finding(String sentence) {
            found(sentence);
        }
    }
}
