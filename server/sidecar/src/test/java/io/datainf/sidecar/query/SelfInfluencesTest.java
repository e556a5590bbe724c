package io.datainf.sidecar.query;

import static org.assertj.core.api.Assertions.assertThat;

import io.datainf.engine.influence.Damping;
import io.datainf.engine.run.Run;
import io.datainf.engine.run.RunSnapshot;
import java.nio.file.Path;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class SelfInfluencesTest {

    private static final Damping SMALL = new Damping.Scaled(0.1);
    private static final Damping GREAT = new Damping.Scaled(1);
    private static final double[] ONE = {1};
    private static final double[] TWO = {2};

    private TestExecutor executor;
    private Run run;
    private Run other;

    @BeforeEach
    void open(@TempDir Path dataDirectory) throws Exception {
        executor = new TestExecutor(dataDirectory, QueryLimits.DEFAULT);
        run = executor.createRun("r1");
        other = executor.createRun("r2");
    }

    @AfterEach
    void close() {
        executor.close();
    }

    @Test
    void find_isByRunRevisionAndLambda() throws Exception {
        SelfInfluences kept = new SelfInfluences(1 << 10);
        try (RunSnapshot before = run.snapshot();
                RunSnapshot ofOther = other.snapshot()) {
            kept.keep(run, before, SMALL, ONE);
            kept.keep(run, before, GREAT, TWO);
            assertThat(kept.find(run, before, SMALL)).hasValue(ONE);
            assertThat(kept.find(run, before, GREAT)).hasValue(TWO);
            double[] lambda =
                    SMALL.lambda(before.samples().layout(), before.samples().statistics());
            assertThat(kept.find(run, before, new Damping.Fixed(lambda))).hasValue(ONE);
            assertThat(kept.find(run, before, new Damping.Scaled(0.5))).isEmpty();
            assertThat(kept.find(other, ofOther, SMALL)).isEmpty();

            TestExecutor.append(run, 2, 1_000, 1);
            try (RunSnapshot after = run.snapshot()) {
                assertThat(kept.find(run, after, SMALL)).isEmpty();
                kept.keep(run, after, SMALL, TWO);
                assertThat(kept.find(run, after, SMALL)).hasValue(TWO);
                assertThat(kept.find(run, before, GREAT)).isEmpty();
            }
        }
    }

    @Test
    void keep_moreThanFits_forgetsWhatWasNotUsedForLongest() {
        SelfInfluences kept = new SelfInfluences(2 * Double.BYTES);
        try (RunSnapshot snapshot = run.snapshot();
                RunSnapshot ofOther = other.snapshot()) {
            kept.keep(run, snapshot, SMALL, ONE);
            kept.keep(other, ofOther, SMALL, TWO);
            assertThat(kept.find(run, snapshot, SMALL)).isPresent();
            kept.keep(run, snapshot, GREAT, TWO);
            assertThat(kept.find(run, snapshot, SMALL)).isPresent();
            assertThat(kept.find(other, ofOther, SMALL)).isEmpty();
            double[] large = new double[9];
            kept.keep(other, ofOther, SMALL, large);
            assertThat(kept.find(other, ofOther, SMALL)).hasValue(large);
            assertThat(kept.find(run, snapshot, SMALL)).isEmpty();
        }
    }
}
