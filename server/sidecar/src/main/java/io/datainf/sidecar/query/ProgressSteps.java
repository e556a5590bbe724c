package io.datainf.sidecar.query;

import java.util.concurrent.atomic.AtomicInteger;

/** Thins progress out to some fifty messages, so that a client that does not read cannot pile them up. Thread-safe. */
final class ProgressSteps {

    private static final int STEPS = 50;

    private final AtomicInteger reached = new AtomicInteger();

    /** Whether this is a step further than all before. */
    boolean reached(double fraction) {
        int step = (int) (fraction * STEPS);
        return reached.getAndAccumulate(step, Math::max) < step;
    }
}
