package io.datainf.engine.store;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;

/** Makes the index of a segment that is not written to any more. One thread. */
final class SegmentIndexer implements SegmentReader.Visitor {

    private final Arena arena;
    private final List<MemorySegment> heads = new ArrayList<>();
    private boolean damaged;

    private SegmentIndexer(Arena arena) {
        this.arena = arena;
    }

    /**
     * Reads a segment and writes its index. A segment with damaged frames gets none, so that each recovery tells of the
     * damage.
     *
     * @param bytes how much of the segment counts
     */
    static void index(SegmentCatalog.Entry entry, long bytes, RowGeometry geometry, StoreFiles files)
            throws IOException {
        try (Arena arena = Arena.ofConfined();
                SegmentReader reader = SegmentReader.open(entry.file(), geometry)) {
            SegmentIndexer indexer = new SegmentIndexer(arena);
            MemorySegment header = reader.readHeader();
            reader.visit(bytes, bytes, indexer);
            if (!indexer.damaged) {
                SegmentIndexFormat.write(files, entry.file(), header, bytes, indexer.heads);
            }
        }
    }

    @Override
    public void frame(FrameFormat.Head head) {
        if (head.kind() != FrameFormat.KIND_MARK) {
            heads.add(arena.allocate(head.bytes().byteSize()).copyFrom(head.bytes()));
        }
    }

    @Override
    public void damaged(CorruptSegmentException damage) {
        damaged = true;
    }
}
