package io.datainf.sidecar.doctor;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.time.Instant;

/** The machine's clock, as the kernel sees it: adjtimex(2). */
@SuppressWarnings("restricted") // calls the C library
final class Clock {

    private static final int NOT_SYNCHRONIZED = 5; // TIME_ERROR
    private static final int TIMEX_BYTES = 512; // more than struct timex has

    private Clock() {}

    /** Looks whether something keeps the clock right. */
    static Finding check() {
        int state;
        try (Arena arena = Arena.ofConfined()) {
            Linker linker = Linker.nativeLinker();
            MemorySegment address = linker.defaultLookup().find("adjtimex").orElse(MemorySegment.NULL);
            if (address.equals(MemorySegment.NULL)) {
                return Finding.warn("clock", "%s; whether it is synchronized is not known", Instant.now());
            }
            MethodHandle adjtimex =
                    linker.downcallHandle(address, FunctionDescriptor.of(ValueLayout.JAVA_INT, ValueLayout.ADDRESS));
            // All zeros: nothing is to be changed.
            state = (int) adjtimex.invoke(arena.allocate(TIMEX_BYTES, Long.BYTES));
        } catch (Throwable e) {
            throw new AssertionError("calling adjtimex failed", e);
        }
        return state == NOT_SYNCHRONIZED
                ? Finding.warn(
                        "clock",
                        "%s, not synchronized: certificates and timestamps need NTP or the like",
                        Instant.now())
                : Finding.ok("clock", "%s, synchronized", Instant.now());
    }
}
