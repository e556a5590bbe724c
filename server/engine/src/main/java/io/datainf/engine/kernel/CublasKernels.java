package io.datainf.engine.kernel;

import io.datainf.engine.memory.ElementType;
import io.datainf.engine.memory.OffHeapRows;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Supplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/*
 * A tile is cut where the blocks of rows on the device are. What lies there is multiplied there, the rest by the kernels of the host, and the sums are added up on the host in float64. Whatever fails on
 * the device is computed on the host as well, so nobody but the log and the metrics sees it.
 */
/** Products by cuBLAS with rows that stay on an NVIDIA GPU, in float32. */
final class CublasKernels implements GradientKernels {

    private static final Logger LOG = LoggerFactory.getLogger(CublasKernels.class);

    /** Columns that are multiplied at once at most, as long as there is memory for that many. */
    static final int MAX_GROUP_COLUMNS = 32;

    private static final int HOST_TILE_ROWS = OffHeapRows.TILE_ROWS;
    private static final int TILE_ROWS = 4096;
    private static final int RANGE_ELEMENTS = 1 << 18;
    private static final int COPY_ROWS = 4096;
    private static final int COPY_ROUNDS = 10;
    private static final int FOLLOW_MILLIS = 20;
    private static final long REGROW_NANOS = 60_000_000_000L;

    private final CudaDevice device;
    private final CublasRows rows;
    private final CublasTiles tiles; // guarded by the device's lock, like the rows
    private final GradientKernels host;
    private final AtomicLong hostPieces = new AtomicLong();
    private final AtomicLong deviceErrors = new AtomicLong();
    private int groupColumns = MAX_GROUP_COLUMNS; // guarded by this, as the next
    private long groupsChangedNanos;
    private final ScheduledExecutorService follower = Executors.newSingleThreadScheduledExecutor(
            Thread.ofPlatform().daemon().name("datainf-gpu-rows").factory());
    private final Set<ElementType> hostTypes = ConcurrentHashMap.newKeySet();
    private boolean closed; // guarded by the device's lock
    private volatile boolean failed;
    private volatile String lastError = "";
    private volatile CudaDevice.Memory memory = new CudaDevice.Memory(0, 0);
    private final AtomicLong kernelNanos = new AtomicLong();

    /**
     * Makes kernels of a device.
     *
     * @param host computes what the device does not
     */
    CublasKernels(CudaDevice device, CublasRows rows, GradientKernels host) {
        this.device = device;
        this.rows = rows;
        this.tiles = new CublasTiles(device, rows, this::release);
        this.host = host;
    }

    @Override
    public String name() {
        return EngineKind.CUBLAS.toString();
    }

    @Override
    public double relativeError() {
        // As of Nd4jKernels: an inner product is added up in float32 over a whole block, in an order of cuBLAS's
        // choice.
        return 16 * 0x1p-24;
    }

    @Override
    public int preferredElements(int columnCount) {
        return RANGE_ELEMENTS;
    }

    @Override
    public int tileRows() {
        return TILE_ROWS;
    }

    @Override
    public ColumnVectors newVectors(BlockRange blocks, ElementType elementType, int columnCount, Arena arena) {
        return new CublasColumns(blocks, elementType, columnCount, groupColumns(), arena);
    }

    /** Columns to multiply at once: fewer after memory was short, twice as many again each minute after that. */
    private synchronized int groupColumns() {
        long now = System.nanoTime();
        if (groupColumns < MAX_GROUP_COLUMNS && now - groupsChangedNanos > REGROW_NANOS) {
            groupColumns *= 2;
            groupsChangedNanos = now;
        }
        return groupColumns;
    }

    private synchronized int halveGroups() {
        groupColumns = Math.max(1, groupColumns / 2);
        groupsChangedNanos = System.nanoTime();
        return groupColumns;
    }

    @Override
    public ColumnSums newSums(BlockRange blocks, ElementType elementType, int columnCount, Arena arena) {
        return new DoubleColumns(blocks, columnCount, arena);
    }

    @Override
    public void squaredNorms(MemorySegment row, BlockRange blocks, ElementType elementType, double[] target) {
        host.squaredNorms(row, blocks, elementType, target);
    }

    @Override
    public void dots(GradientTile tile, ColumnVectors vectors, double[] dots) {
        CublasColumns v = (CublasColumns) vectors;
        for (GradientTile piece : cut(tile, rows.rowsPerBlock(tile.matrix()))) {
            if (hostTypes.contains(tile.elementType()) || !onDevice(() -> tiles.dots(tile, piece, v, dots), false)) {
                hostPieces.incrementAndGet();
                cut(piece, HOST_TILE_ROWS).forEach(part -> hostDots(tile, part, v, dots));
            }
        }
    }

    @Override
    public void accumulate(GradientTile tile, ColumnVectors vectors, double[] weights, ColumnSums sums) {
        CublasColumns v = (CublasColumns) vectors;
        DoubleColumns r = (DoubleColumns) sums;
        List<GradientTile> pieces = cut(tile, rows.rowsPerBlock(tile.matrix()));
        List<GradientTile> left = hostTypes.contains(tile.elementType())
                ? pieces
                : onDevice(() -> tiles.accumulate(tile, pieces, v, weights, r), pieces);
        hostPieces.addAndGet(left.size());
        for (GradientTile piece : left) {
            cut(piece, HOST_TILE_ROWS).forEach(part -> hostAccumulate(tile, part, v, weights, r));
        }
    }

    /** Brings new rows to the device from now on while it has nothing else to do, so that queries find them there. */
    CublasKernels followRows() {
        Future<?> ignored =
                follower.scheduleWithFixedDelay(this::catchUp, FOLLOW_MILLIS, FOLLOW_MILLIS, TimeUnit.MILLISECONDS);
        return this;
    }

    private void catchUp() {
        boolean more = true;
        while (more && !failed && device.lock().tryLock()) {
            try {
                more = rows.catchUp();
            } catch (CudaException e) {
                note(e);
                more = false;
            } catch (IllegalStateException e) { // the matrix was closed meanwhile
                more = true;
            } finally {
                device.lock().unlock();
            }
        }
    }

    /** Leaves rows of a type to the host from now on. */
    void leaveToHost(ElementType type) {
        boolean ignored = hostTypes.add(type);
    }

    /** Cuts a tile at multiples of a number of rows. */
    private static List<GradientTile> cut(GradientTile tile, int every) {
        List<GradientTile> pieces = new ArrayList<>();
        long end = tile.firstOrdinal() + tile.rowCount();
        for (long first = tile.firstOrdinal(); first < end; ) {
            long next = Math.min(end, (first / every + 1) * every);
            pieces.add(new GradientTile(tile.matrix(), first, (int) (next - first), tile.blocks()));
            first = next;
        }
        return pieces;
    }

    /** Lets the device work, which changes nothing of the caller's unless it comes to its end; then returns what it does, else {@code otherwise}. */
    private <T> T onDevice(Supplier<T> work, T otherwise) {
        if (failed) {
            return otherwise;
        }
        device.lock().lock();
        long start = System.nanoTime();
        try {
            return failed ? otherwise : work.get();
        } catch (CudaException e) {
            note(e);
            return otherwise;
        } finally {
            kernelNanos.addAndGet(System.nanoTime() - start);
            device.lock().unlock();
        }
    }

    @Override
    public Optional<DeviceFigures> deviceFigures() {
        return Optional.of(figures());
    }

    @Override
    public OptionalDouble measureDeviceCopy(long bytes) {
        return onDevice(
                () -> {
                    int columns = Math.toIntExact(Math.max(1, bytes / Float.BYTES / COPY_ROWS));
                    long floats = (long) COPY_ROWS * columns;
                    long source = rows.allocate(2 * floats * Float.BYTES);
                    try {
                        CudaDevice.Matrix from = new CudaDevice.Matrix(source, CudaDevice.DataType.F32, COPY_ROWS, 0);
                        CudaDevice.Matrix to = new CudaDevice.Matrix(
                                source + floats * Float.BYTES, CudaDevice.DataType.F32, COPY_ROWS, 0);
                        device.clear(source, floats * Float.BYTES);
                        double best = Double.POSITIVE_INFINITY;
                        for (int i = 0; i < COPY_ROUNDS; i++) {
                            device.synchronize();
                            long start = System.nanoTime();
                            device.copy(from, to, COPY_ROWS, columns);
                            device.synchronize();
                            best = Math.min(best, (double) System.nanoTime() - start);
                        }
                        // Read and written.
                        return OptionalDouble.of(2 * floats * Float.BYTES / best * 1e9);
                    } finally {
                        device.free(source);
                    }
                },
                OptionalDouble.empty());
    }

    /** What was done and is held. Does not wait for the device: while it works, its memory is that of before. */
    DeviceFigures figures() {
        if (!failed && device.lock().tryLock()) {
            try {
                memory = device.memory();
            } catch (CudaException e) {
                note(e);
            } finally {
                device.lock().unlock();
            }
        }
        CudaDevice.Memory known = memory;
        return new DeviceFigures(
                known.totalBytes() - known.freeBytes(),
                known.totalBytes(),
                rows.residentBytes(),
                rows.uploadedBytes(),
                device.transferredBytes(),
                kernelNanos.get(),
                hostPieces.get(),
                deviceErrors.get(),
                !failed,
                lastError);
    }

    private void note(CudaException e) {
        deviceErrors.incrementAndGet();
        lastError = String.valueOf(e.getMessage());
        if (e.outOfMemory()) {
            LOG.warn(
                    "the GPU's memory is short, so that the CPU computes some products; {} columns at once for now: {}",
                    halveGroups(),
                    e.getMessage());
        } else if (e.lasting()) {
            failed = true;
            LOG.error(
                    "the GPU has failed and the CPU computes from now on; start the server again: {}", e.getMessage());
        } else {
            LOG.warn("the CPU computes products that the GPU could not: {}", e.getMessage());
        }
    }

    private void release(long address) {
        device.lock().lock();
        try {
            if (!closed) {
                device.discard(address);
            }
        } finally {
            device.lock().unlock();
        }
    }

    private void hostDots(GradientTile tile, GradientTile part, CublasColumns v, double[] dots) {
        int columns = part.blocks().blockCount() * v.columnCount();
        double[] found = new double[columns * part.rowCount()];
        host.dots(part, v.onHost(host), found);
        int offset = (int) (part.firstOrdinal() - tile.firstOrdinal());
        for (int i = 0; i < columns; i++) {
            System.arraycopy(found, i * part.rowCount(), dots, i * tile.rowCount() + offset, part.rowCount());
        }
    }

    private void hostAccumulate(
            GradientTile tile, GradientTile part, CublasColumns v, double[] weights, DoubleColumns sums) {
        int offset = (int) (part.firstOrdinal() - tile.firstOrdinal());
        double[] ofPart = new double[weights.length / tile.rowCount() * part.rowCount()];
        for (int i = 0; i < ofPart.length / part.rowCount(); i++) {
            System.arraycopy(weights, i * tile.rowCount() + offset, ofPart, i * part.rowCount(), part.rowCount());
        }
        try (Arena arena = Arena.ofConfined()) {
            ColumnSums found = host.newSums(part.blocks(), part.elementType(), sums.columnCount(), arena);
            host.accumulate(part, v.onHost(host), ofPart, found);
            sums.addAll(found, arena);
        }
    }

    /** Gives everything on the device back. Columns that are in use must have gone. */
    @Override
    public void close() {
        follower.shutdown();
        device.lock().lock();
        try {
            device.synchronize(); // what was begun before a failure may still use the memory
        } catch (CudaException e) {
            LOG.warn("the GPU does not end its work: {}", e.getMessage());
        } finally {
            tiles.close();
            rows.close();
            device.close();
            failed = true; // nothing more is asked of it
            closed = true;
            device.lock().unlock();
        }
    }
}
