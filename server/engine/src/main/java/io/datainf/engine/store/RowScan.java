package io.datainf.engine.store;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.util.List;

/** Reads the rows of segments whose extent is known, in order. One thread. */
final class RowScan {

    private final RunManifest manifest;
    private final RowGeometry geometry;
    private final List<SegmentRecovery.Part> parts;

    RowScan(RunManifest manifest, List<SegmentRecovery.Part> parts) {
        this.manifest = manifest;
        this.geometry = RowGeometry.of(manifest.layout(), manifest.storedType());
        this.parts = parts;
    }

    void visit(StoredRows.Visitor visitor) throws IOException {
        for (SegmentRecovery.Part part : parts) {
            visit(part, visitor);
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
