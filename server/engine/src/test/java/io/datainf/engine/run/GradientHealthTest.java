package io.datainf.engine.run;

import static io.datainf.engine.run.RunFixture.await;
import static io.datainf.engine.run.RunFixture.batch;
import static io.datainf.engine.run.RunFixture.definition;
import static io.datainf.engine.run.RunFixture.gradient;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.stream.LongStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class GradientHealthTest {

    @TempDir
    private Path directory;

    private RunRegistry registry;

    @BeforeEach
    void open() throws IOException {
        registry = RunFixture.open(directory);
    }

    @AfterEach
    void close() {
        registry.close();
    }

    @Test
    void health_withoutSamples_isThatNothingIsWrong() throws IOException {
        registry.create(definition("empty"));

        assertThat(registry.gradientHealth()).isEqualTo(GradientHealth.NONE);
    }

    @Test
    void health_isThatOfTheWorstRun_figureByFigure() throws IOException {
        float[] zeros = new float[gradient(1).length];
        await(registry.create(definition("sound")).openWriter("w").append(batch(1, 1, gradient(1))));
        GradientHealth sound = registry.gradientHealth();
        assertThat(sound.zeroSampleShare()).isZero();
        assertThat(sound.skippedBlockCount()).isZero();
        assertThat(sound.leastLambda()).isPositive().isLessThanOrEqualTo(sound.greatestLambda());

        Run run = registry.create(definition("zeros"));
        float[][] gradients = new float[100][];
        Arrays.setAll(gradients, i -> i % 4 == 0 ? gradient(1) : zeros);
        await(run.openWriter("w").append(batch(1, LongStream.range(0, 100).toArray(), gradients)));
        await(registry.create(definition("only-zeros")).openWriter("w").append(batch(1, 1, zeros)));
        GradientHealth worst = registry.gradientHealth();
        assertThat(worst.zeroSampleShare()).isEqualTo(0.75);
        assertThat(worst.skippedBlockCount())
                .isEqualTo(run.definition().layout().blockCount());
        assertThat(worst.leastLambda()).isCloseTo(sound.leastLambda() / 4, within(1e-12));
        assertThat(worst.greatestLambda()).isEqualTo(sound.greatestLambda());

        registry.delete(new RunId("only-zeros"));
        assertThat(registry.gradientHealth().skippedBlockCount()).isZero();
    }
}
