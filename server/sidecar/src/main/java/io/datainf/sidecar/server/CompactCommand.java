package io.datainf.sidecar.server;

import io.datainf.engine.run.RunRegistry;
import io.datainf.engine.store.CompactionOptions;
import io.datainf.engine.store.Durability;
import io.datainf.engine.store.StoreEvents;
import io.datainf.engine.store.StoreOptions;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import java.util.concurrent.atomic.AtomicLong;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** {@code datainf-server compact}: takes deleted and replaced samples out of the files of a data directory. */
@Command(
        name = "compact",
        description = {
            "Takes all deleted and replaced samples out of the files of a data directory that no server uses.",
            "A server does so by itself: see serve --compaction-share and --compaction-deadline.",
            ""
        },
        mixinStandardHelpOptions = true,
        usageHelpAutoWidth = true)
@SuppressWarnings("NullAway.Init") // picocli sets the fields
final class CompactCommand implements Callable<Integer> {

    @Spec
    private CommandSpec spec;

    @Option(names = "--data-dir", paramLabel = "DIR", required = true, description = "The data directory.")
    private Path dataDirectory;

    @Override
    public Integer call() throws Exception {
        VerifyCommand.requireDirectory(dataDirectory);
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
        try (RunRegistry runs = RunRegistry.open(dataDirectory, Long.MAX_VALUE, events, options)) {
            runs.compact();
        }
        spec.commandLine().getOut().printf("%d bytes saved%n", savedBytes.get());
        spec.commandLine().getOut().flush();
        return CommandLine.ExitCode.OK;
    }
}
