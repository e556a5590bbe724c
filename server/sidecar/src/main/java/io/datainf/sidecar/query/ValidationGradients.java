package io.datainf.sidecar.query;

import io.datainf.engine.memory.BlockLayout;
import io.datainf.engine.memory.ElementConversion;
import io.datainf.engine.memory.ElementType;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;

/**
 * Validation gradients that travel with a query, [m, D] row-major, widened to float32 outside the Java heap. Filled by one
 * thread at a time; any thread may close it.
 */
public final class ValidationGradients implements QuerySource, AutoCloseable {

    private static final int EXPONENT_BITS = 0x7f800000;

    private final BlockLayout layout;
    private final int count;
    private final ElementType elementType;
    private final QueryMemory memory;
    private final Arena arena;
    private final MemorySegment elements;
    private long filledElements;

    private ValidationGradients(
            BlockLayout layout, int count, ElementType elementType, QueryMemory memory, Arena arena) {
        this.layout = layout;
        this.count = count;
        this.elementType = elementType;
        this.memory = memory;
        this.arena = arena;
        this.elements = arena.allocate(byteCount(layout, count), Long.BYTES);
    }

    /**
     * Reserves memory for the gradients of {@code count} validation points, which arrive as {@code elementType}.
     *
     * @throws QueryMemoryException if there is too little
     */
    static ValidationGradients allocate(BlockLayout layout, int count, ElementType elementType, QueryMemory memory) {
        memory.reserve(byteCount(layout, count));
        Arena arena = Arena.ofShared();
        try {
            return new ValidationGradients(layout, count, elementType, memory, arena);
        } catch (OutOfMemoryError e) {
            arena.close();
            memory.release(byteCount(layout, count));
            throw e;
        }
    }

    @Override
    public int count() {
        return count;
    }

    /** The blocks of a point. */
    BlockLayout layout() {
        return layout;
    }

    /** Bytes of all elements as they arrive. */
    public long wireBytes() {
        return totalElements() * elementType.byteCount();
    }

    /** How many bytes that is, in words. */
    public String describe() {
        return "count %d * D %d * %d bytes".formatted(count, layout.dimension(), elementType.byteCount());
    }

    /** Elements that are still to come. */
    public long missingElements() {
        return totalElements() - filledElements;
    }

    /** Elements that have arrived. */
    public long filledElements() {
        return filledElements;
    }

    /**
     * Appends elements.
     *
     * @param field what to call {@code source} in an error
     * @param source little-endian, no padding; borrowed
     * @throws InvalidQueryException if it is not whole elements, more than are missing, or holds a NaN or an infinite value
     */
    public void append(String field, ByteBuffer source) {
        int gotBytes = source.remaining();
        int elementBytes = elementType.byteCount();
        if (gotBytes % elementBytes != 0) {
            throw new InvalidQueryException(
                    field, "%s has %d bytes: expected a multiple of %d".formatted(field, gotBytes, elementBytes));
        }
        int gotElements = gotBytes / elementBytes;
        if (gotElements > missingElements()) {
            throw new InvalidQueryException(
                    field,
                    "%s has %d elements: expected at most %d (count %d * D %d, %d sent before)"
                            .formatted(
                                    field, gotElements, missingElements(), count, layout.dimension(), filledElements));
        }
        MemorySegment target = elements.asSlice(filledElements * Float.BYTES, (long) gotElements * Float.BYTES);
        ElementConversion.convert(MemorySegment.ofBuffer(source), elementType, target, ElementType.F32, gotElements);
        requireFinite(field, target, gotElements);
        filledElements += gotElements;
    }

    /** Appends one stored row of D elements, which is finite. */
    void appendRow(MemorySegment row, ElementType rowType) {
        MemorySegment target = elements.asSlice(filledElements * Float.BYTES, (long) layout.dimension() * Float.BYTES);
        ElementConversion.convert(row, rowType, target, ElementType.F32, layout.dimension());
        filledElements += layout.dimension();
    }

    /** Appends all points of other gradients of the layout, which have all arrived. */
    void appendAll(ValidationGradients other) {
        long bytes = other.elements.byteSize();
        MemorySegment.copy(other.elements, 0, elements, filledElements * Float.BYTES, bytes);
        filledElements += other.filledElements;
    }

    /** The gradients, [m, D] float32. */
    MemorySegment elements() {
        return elements;
    }

    /**
     * Returns the mean of the points, summed in double and rounded once to float32: the scores change by no more than if the
     * client had rounded it.
     */
    ValidationGradients mean() {
        int dimension = layout.dimension();
        ValidationGradients mean = allocate(layout, 1, ElementType.F32, memory);
        for (int j = 0; j < dimension; j++) {
            double sum = 0;
            for (int i = 0; i < count; i++) {
                sum += elements.getAtIndex(ValueLayout.JAVA_FLOAT, (long) i * dimension + j);
            }
            mean.elements.setAtIndex(ValueLayout.JAVA_FLOAT, j, (float) (sum / count));
        }
        mean.filledElements = dimension;
        return mean;
    }

    @Override
    public synchronized void close() {
        if (arena.scope().isAlive()) {
            arena.close();
            memory.release(byteCount(layout, count));
        }
    }

    private long totalElements() {
        return (long) count * layout.dimension();
    }

    private void requireFinite(String field, MemorySegment source, int elementCount) {
        for (int i = 0; i < elementCount; i++) {
            int bits = source.getAtIndex(ValueLayout.JAVA_INT, i);
            if ((bits & EXPONENT_BITS) == EXPONENT_BITS) {
                throw notFinite(field, filledElements + i, Float.intBitsToFloat(bits));
            }
        }
    }

    private InvalidQueryException notFinite(String field, long index, float value) {
        int inRow = (int) (index % layout.dimension());
        int block = 0;
        while (layout.offset(block) + layout.width(block) <= inRow) {
            block++;
        }
        return new InvalidQueryException(
                field,
                "validation point %d, block '%s', element %d is %s: expected a finite number"
                        .formatted(
                                index / layout.dimension(),
                                layout.blocks().get(block).name(),
                                inRow - layout.offset(block),
                                value));
    }

    private static long byteCount(BlockLayout layout, int count) {
        return (long) count * layout.dimension() * Float.BYTES;
    }
}
