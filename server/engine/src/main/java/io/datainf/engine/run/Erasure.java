package io.datainf.engine.run;

import java.time.Instant;
import java.util.Optional;

/**
 * How far deleted and replaced samples have left the files.
 *
 * @param deadCount deleted or replaced rows whose bytes are still in the files
 * @param erasedRevision what was deleted or replaced up to this revision has left them
 * @param compactTime when the run was last compacted
 */
public record Erasure(int deadCount, long erasedRevision, Optional<Instant> compactTime) {}
