package io.datainf.engine.memory;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;

/**
 * Anonymous memory straight from the kernel, with huge pages where it grants them.
 *
 * <p>Why not {@link Arena#allocate(long, long)}: it writes zeros to every page at once, so a large chunk costs its whole
 * size before the first row arrives, and it gets 4 KiB pages (measured: a scan reads 19.6 GB/s from those and 54 GB/s
 * from huge ones). Mapped memory costs nothing until it is touched. Linux only, as the server is.
 */
@SuppressWarnings("restricted") // the one place that maps memory by hand
final class AnonymousMemory {

    private static final long HUGE_PAGE_BYTES = 2L << 20;
    private static final int PROT_READ_WRITE = 0x1 | 0x2;
    private static final int MAP_PRIVATE_ANONYMOUS_NORESERVE = 0x02 | 0x20 | 0x4000;
    private static final long PAGE_BYTES = 4096;
    private static final int MADV_DONTNEED = 4;
    private static final int MADV_HUGEPAGE = 14;
    private static final long MAP_FAILED = -1;

    private static final MethodHandle MMAP = libc(
            "mmap",
            FunctionDescriptor.of(
                    ValueLayout.JAVA_LONG,
                    ValueLayout.JAVA_LONG,
                    ValueLayout.JAVA_LONG,
                    ValueLayout.JAVA_INT,
                    ValueLayout.JAVA_INT,
                    ValueLayout.JAVA_INT,
                    ValueLayout.JAVA_LONG));
    private static final MethodHandle MUNMAP =
            libc("munmap", FunctionDescriptor.of(ValueLayout.JAVA_INT, ValueLayout.JAVA_LONG, ValueLayout.JAVA_LONG));
    private static final MethodHandle MADVISE = libc(
            "madvise",
            FunctionDescriptor.of(
                    ValueLayout.JAVA_INT, ValueLayout.JAVA_LONG, ValueLayout.JAVA_LONG, ValueLayout.JAVA_INT));

    private AnonymousMemory() {}

    /**
     * Returns zeroed bytes, {@link #roundedUp} from {@code bytes}, aligned to a huge page, for {@link #unmap}.
     *
     * @throws OutOfMemoryError if the kernel refuses
     */
    static MemorySegment map(long bytes) {
        long wantedBytes = roundedUp(bytes);
        long mappedBytes = Math.addExact(wantedBytes, HUGE_PAGE_BYTES);
        try {
            long address =
                    (long) MMAP.invokeExact(0L, mappedBytes, PROT_READ_WRITE, MAP_PRIVATE_ANONYMOUS_NORESERVE, -1, 0L);
            if (address == MAP_FAILED) {
                throw new OutOfMemoryError("the kernel refused to map %d bytes".formatted(mappedBytes));
            }
            long aligned = (address + HUGE_PAGE_BYTES - 1) & -HUGE_PAGE_BYTES;
            unmap(address, aligned - address);
            unmap(aligned + wantedBytes, address + mappedBytes - (aligned + wantedBytes));
            // Advice only: without huge pages everything works, slower.
            int ignored = (int) MADVISE.invokeExact(aligned, wantedBytes, MADV_HUGEPAGE);
            return MemorySegment.ofAddress(aligned).reinterpret(wantedBytes);
        } catch (Error | RuntimeException e) {
            throw e;
        } catch (Throwable e) {
            throw new AssertionError(e);
        }
    }

    /** Gives the memory of the whole pages within {@code segment} back; they read as zeros until they are written again. */
    static void discard(MemorySegment segment) {
        long from = (segment.address() + PAGE_BYTES - 1) & -PAGE_BYTES;
        long end = (segment.address() + segment.byteSize()) & -PAGE_BYTES;
        if (from >= end) {
            return;
        }
        try {
            int result = (int) MADVISE.invokeExact(from, end - from, MADV_DONTNEED);
            if (result != 0) {
                throw new AssertionError("madvise refused memory of ours: %d bytes at %#x".formatted(end - from, from));
            }
        } catch (Error | RuntimeException e) {
            throw e;
        } catch (Throwable e) {
            throw new AssertionError(e);
        }
    }

    /** Bytes that {@link #map} returns when it is asked for so many. */
    static long roundedUp(long bytes) {
        return Math.addExact(bytes, HUGE_PAGE_BYTES - 1) & -HUGE_PAGE_BYTES;
    }

    /** Gives back what {@link #map} returned; it must not be touched any more. */
    static void unmap(MemorySegment segment) {
        unmap(segment.address(), segment.byteSize());
    }

    private static void unmap(long address, long bytes) {
        if (bytes == 0) {
            return;
        }
        try {
            int result = (int) MUNMAP.invokeExact(address, bytes);
            if (result != 0) {
                throw new AssertionError("munmap refused a mapping of ours: %d bytes at %#x".formatted(bytes, address));
            }
        } catch (Error | RuntimeException e) {
            throw e;
        } catch (Throwable e) {
            throw new AssertionError(e);
        }
    }

    private static MethodHandle libc(String name, FunctionDescriptor descriptor) {
        SymbolLookup lookup = Linker.nativeLinker().defaultLookup();
        return Linker.nativeLinker().downcallHandle(lookup.findOrThrow(name), descriptor);
    }
}
