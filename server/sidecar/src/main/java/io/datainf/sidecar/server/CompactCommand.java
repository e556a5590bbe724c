package io.datainf.sidecar.server;

import io.datainf.engine.run.Run;
import io.datainf.engine.run.RunRegistry;
import io.datainf.engine.store.CompactionOptions;
import io.datainf.engine.store.Durability;
import io.datainf.engine.store.StoreEvents;
import io.datainf.engine.store.StoreOptions;
import java.io.IOException;
import java.io.PrintWriter;
import java.util.concurrent.Callable;
import java.util.concurrent.atomic.AtomicLong;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Spec;

/** {@code datainf-server compact}: takes deleted and replaced samples out of the files of a data directory. */
@Command(
        name = "compact",
        description = {
            "Takes all deleted and replaced samples out of the files of a data directory that no server uses.",
            "A server does so by itself: see serve --compaction-share and --compaction-deadline.",
            "Exit code 0 if none is left in them, 1 otherwise: those beside damaged samples stay.",
            ""
        },
        mixinStandardHelpOptions = true,
        usageHelpAutoWidth = true)
@SuppressWarnings("NullAway.Init") // picocli sets the fields
final class CompactCommand implements Callable<Integer> {

    @Spec
    private CommandSpec spec;

    @Mixin
    private UnusedDataDirectory dataDirectory;

    @Override
    public Integer call() throws Exception {
        AtomicLong savedBytes = new AtomicLong();
        StoreEvents events = new StoreEvents() {
            @Override
            public void compacted(long bytesBefore, long bytesAfter) {
                savedBytes.addAndGet(bytesBefore - bytesAfter);
            }
        };
        CompactionOptions atAnyRate = new CompactionOptions(
                CompactionOptions.DEFAULT.deadShare(), CompactionOptions.DEFAULT.deadline(), Long.MAX_VALUE);
        StoreOptions options = StoreOptions.DEFAULT.with(Durability.FSYNC, atAnyRate);
        boolean allGone;
        PrintWriter out = spec.commandLine().getOut();
        try (RunRegistry runs = RunRegistry.open(dataDirectory.path(), Long.MAX_VALUE, events, options)) {
            allGone = compact(runs, out);
            for (Run run : runs.list("", Integer.MAX_VALUE)) {
                int deadCount = run.erasure().deadCount();
                if (deadCount > 0) {
                    allGone = false;
                    out.printf(
                            "run '%s': %d deleted or replaced samples stay in the files%n",
                            run.definition().id(), deadCount);
                }
            }
        }
        out.printf("%d bytes saved%n", savedBytes.get());
        out.flush();
        return allGone ? CommandLine.ExitCode.OK : CommandLine.ExitCode.SOFTWARE;
    }

    /** Compacts what can be; says what cannot, and returns whether there is nothing to say. */
    private static boolean compact(RunRegistry runs, PrintWriter out) {
        try {
            runs.compact();
            return true;
        } catch (IOException e) {
            for (Throwable cause : e.getSuppressed()) {
                out.println(cause.getMessage());
                for (Throwable detail : cause.getSuppressed()) {
                    out.println("  " + detail.getMessage());
                }
            }
            return false;
        }
    }
}
