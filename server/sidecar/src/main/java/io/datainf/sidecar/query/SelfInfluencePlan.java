package io.datainf.sidecar.query;

import io.datainf.engine.influence.Damping;
import io.datainf.engine.run.Run;
import java.util.Optional;

/**
 * A checked request for self-influences.
 *
 * @param run the run
 * @param damping how lambda is found
 * @param sampleIds the trainer's ids; empty for all samples, whose result is kept
 * @param minRevision compute at this revision or a later one; 0 for whatever is durable
 */
public record SelfInfluencePlan(Run run, Damping damping, Optional<long[]> sampleIds, long minRevision) {}
