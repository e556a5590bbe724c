package io.datainf.engine.kernel;

import io.datainf.engine.kernel.CublasScratch.Use;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import java.util.function.LongConsumer;

/**
 * What {@link CublasKernels} do with tiles on the device. Results come into the caller's arrays once all of them have been computed. For the thread that holds the device's lock.
 */
final class CublasTiles implements AutoCloseable {

    private final CudaDevice device;
    private final CublasRows rows;
    private final CublasScratch scratch;
    private final LongConsumer release;
    private MemorySegment pinned = MemorySegment.NULL;

    /**
     * Prepares work.
     *
     * @param release gives the memory of columns back; called by whoever lets the columns go, without the lock
     */
    CublasTiles(CudaDevice device, CublasRows rows, LongConsumer release) {
        this.device = device;
        this.rows = rows;
        this.scratch = new CublasScratch(device, rows);
        this.release = release;
    }

    /** Computes the products of a piece of a tile. Returns whether it lies on the device. */
    boolean dots(GradientTile tile, GradientTile piece, CublasColumns v, double[] dots) {
        upload(v);
        CublasProducts.reserve(scratch, piece, v.groupColumns(), 0);
        long address = rows.address(piece);
        if (address == 0) {
            return false;
        }
        CublasProducts products = new CublasProducts(device, scratch, piece, address);
        int blockCount = piece.blocks().blockCount();
        int offset = (int) (piece.firstOrdinal() - tile.firstOrdinal());
        for (int column = 0; column < v.columnCount(); column += v.groupColumns()) {
            int count = v.columnsFrom(column);
            MemorySegment found = stage(4L * blockCount * piece.rowCount() * count);
            device.read(products.dots(v.groupAddress(column), count), found);
            device.synchronize();
            long at = 0;
            for (int b = 0; b < blockCount; b++) {
                int first = (b * v.columnCount() + column) * tile.rowCount() + offset;
                for (int k = 0; k < piece.rowCount(); k++) {
                    for (int j = 0; j < count; j++) {
                        dots[first + j * tile.rowCount() + k] = found.getAtIndex(ValueLayout.JAVA_FLOAT, at++);
                    }
                }
            }
        }
        return true;
    }

    /** Returns the pieces that do not lie on the device. */
    List<GradientTile> accumulate(
            GradientTile tile, List<GradientTile> pieces, CublasColumns v, double[] weights, DoubleColumns sums) {
        upload(v);
        int setCount = sums.columnCount() / v.columnCount();
        long target = scratch.floats(
                Use.SUMS, CublasProducts.sumFloats(tile.blocks(), tile.elementType(), sums.columnCount()));
        List<GradientTile> left = new ArrayList<>();
        for (GradientTile piece : pieces) {
            CublasProducts.reserve(scratch, piece, v.groupColumns(), setCount);
            long address = rows.address(piece);
            if (address == 0) {
                left.add(piece);
                continue;
            }
            CublasProducts products = new CublasProducts(device, scratch, piece, address);
            long deviceWeights = uploadWeights(tile, piece, weights, setCount);
            boolean fromZero = left.size() == pieces.indexOf(piece);
            forEachGroup(
                    tile,
                    v,
                    setCount,
                    target,
                    (column, count, groupTarget) -> products.accumulate(
                            products.dots(v.groupAddress(column), count),
                            count,
                            deviceWeights,
                            setCount,
                            groupTarget,
                            fromZero));
        }
        if (left.size() < pieces.size()) {
            collect(tile, v, setCount, target, sums);
        }
        return left;
    }

    /** Takes columns that are multiplied at once, and where their sums are added up on the device. */
    @FunctionalInterface
    private interface GroupAction {
        void take(int column, int count, long target);
    }

    private static void forEachGroup(
            GradientTile tile, CublasColumns v, int setCount, long target, GroupAction action) {
        for (int column = 0; column < v.columnCount(); column += v.groupColumns()) {
            long before = CublasProducts.sumFloats(tile.blocks(), tile.elementType(), setCount * column);
            action.take(column, v.columnsFrom(column), target + 4 * before);
        }
    }

    /** Fetches all sums, then adds them up. */
    private void collect(GradientTile tile, CublasColumns v, int setCount, long target, DoubleColumns sums) {
        long columnBytes = 4L * tile.blocks().elementCount();
        MemorySegment found = stage(columnBytes * sums.columnCount());
        forEachGroup(tile, v, setCount, target, (column, count, groupTarget) -> {
            long collected = CublasProducts.collect(device, scratch, tile, groupTarget, setCount * count);
            device.read(collected, found.asSlice(columnBytes * setCount * column, columnBytes * setCount * count));
        });
        device.synchronize();
        forEachGroup(tile, v, setCount, target, (column, count, groupTarget) -> {
            for (int i = 0; i < setCount * count; i++) {
                int sum = i / count * v.columnCount() + column + i % count;
                sums.addFloats(sum, found.asSlice(columnBytes * ((long) setCount * column + i), columnBytes));
            }
        });
    }

    private long uploadWeights(GradientTile tile, GradientTile piece, double[] weights, int setCount) {
        int rowCount = piece.rowCount();
        int pairs = piece.blocks().blockCount() * setCount;
        long target = scratch.floats(Use.WEIGHTS, (long) pairs * rowCount);
        MemorySegment staged = stage(4L * pairs * rowCount);
        int offset = (int) (piece.firstOrdinal() - tile.firstOrdinal());
        for (int pair = 0; pair < pairs; pair++) {
            for (int k = 0; k < rowCount; k++) {
                float weight = (float) weights[pair * tile.rowCount() + offset + k];
                staged.setAtIndex(ValueLayout.JAVA_FLOAT, (long) pair * rowCount + k, weight);
            }
        }
        device.write(staged, target);
        return target;
    }

    /** Brings columns to the device unless they are there. */
    private void upload(CublasColumns v) {
        if (v.address() != 0) {
            return;
        }
        MemorySegment staged = stage(v.deviceBytes());
        v.fill(staged);
        long address = rows.allocate(v.deviceBytes());
        try {
            device.write(staged, address);
        } catch (CudaException e) {
            device.free(address);
            throw e;
        }
        v.setAddress(address, () -> release.accept(address));
    }

    /** Memory to copy through; what was copied through it before has arrived. */
    private MemorySegment stage(long bytes) {
        device.synchronize();
        if (pinned.byteSize() < bytes) {
            MemorySegment small = pinned;
            pinned = MemorySegment.NULL;
            if (small.byteSize() > 0) {
                device.freePinned(small);
            }
            pinned = device.allocatePinned(bytes);
        }
        return pinned.asSlice(0, bytes);
    }

    /** Gives everything back, as far as the device lets it. */
    @Override
    public void close() {
        scratch.close();
        if (pinned.byteSize() > 0) {
            device.discardPinned(pinned);
        }
    }
}
