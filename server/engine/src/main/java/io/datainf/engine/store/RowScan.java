package io.datainf.engine.store;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.util.List;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Reads the rows of segments whose extent is known, in order. One thread. */
final class RowScan {

    private static final Logger logger = LoggerFactory.getLogger(RowScan.class);

    private final RunManifest manifest;
    private final RowGeometry geometry;
    private final List<SegmentRecovery.Part> parts;

    RowScan(RunManifest manifest, List<SegmentRecovery.Part> parts) {
        this.manifest = manifest;
        this.geometry = RowGeometry.of(manifest.layout(), manifest.storedType());
        this.parts = parts;
    }

    /** Hands on all rows but those of segments that cannot be read. */
    void visit(StoredRows.Visitor visitor) {
        for (SegmentRecovery.Part part : parts) {
            try {
                visit(part, visitor);
            } catch (IOException e) {
                logger.error("{} cannot be read", part.entry().file(), e);
            }
        }
    }

    private void visit(SegmentRecovery.Part part, StoredRows.Visitor visitor) throws IOException {
        try (Arena arena = Arena.ofConfined();
                SegmentReader reader = SegmentReader.open(part.entry().file(), geometry)) {
            List<FrameFormat.Head> heads =
                    SegmentCatalog.indexedHeads(part.entry(), part.bytes(), manifest, geometry, arena);
            if (heads == null) {
                reader.visit(part.bytes(), part.bytes(), new SegmentReader.Visitor() {
                    @Override
                    public void frame(FrameFormat.Head head) {
                        rows(reader, head, visitor);
                    }

                    @Override
                    public void damaged(CorruptSegmentException damage) {
                        // Recovery has told.
                    }
                });
            } else {
                heads.forEach(head -> rows(reader, head, visitor));
            }
        }
    }

    private static void rows(SegmentReader reader, FrameFormat.Head head, StoredRows.Visitor visitor) {
        if (head.shape().rowCount() > 0) {
            visitor.rows(new StoredRows(reader, head));
        }
    }
}
