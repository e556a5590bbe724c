package io.datainf.engine.run;

import static io.datainf.engine.run.RunFixture.DIMENSION;
import static io.datainf.engine.run.RunFixture.assertConsistent;
import static io.datainf.engine.run.RunFixture.assertHolds;
import static io.datainf.engine.run.RunFixture.await;
import static io.datainf.engine.run.RunFixture.batch;
import static io.datainf.engine.run.RunFixture.definition;
import static io.datainf.engine.run.RunFixture.failure;
import static io.datainf.engine.run.RunFixture.gradient;
import static io.datainf.engine.run.RunFixture.row;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.datainf.engine.memory.ElementConversion;
import io.datainf.engine.memory.ElementType;
import io.datainf.engine.run.BatchReceipt.Reason;
import io.datainf.engine.run.BatchReceipt.RejectedSample;
import io.datainf.engine.store.FaultyFiles;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class RunWriterTest {

    private static final float[] NOTHING = new float[DIMENSION];

    @TempDir
    private Path directory;

    private final FaultyFiles files = new FaultyFiles();
    private RunRegistry registry;
    private Run run;
    private RunWriter writer;

    @BeforeEach
    void openWriter() throws IOException {
        registry = RunFixture.open(directory, RunFixture.BUDGET, files);
        run = registry.create(definition("run"));
        writer = run.openWriter("writer");
    }

    @AfterEach
    void close() {
        registry.close();
    }

    @Test
    void append_newSamples_areStored() {
        BatchReceipt receipt = await(writer.append(batch(1, new long[] {7, -8}, gradient(1), gradient(2))));

        assertThat(receipt).isEqualTo(new BatchReceipt(1, 2, 2, 0, 0, List.of()));
        assertThat(writer.resumeAfterBatchSeq()).isEqualTo(1);
        assertThat(run.revision()).isEqualTo(2);
        assertThat(run.sampleCount()).isEqualTo(2);
        try (RunSnapshot snapshot = run.snapshot()) {
            assertHolds(snapshot, Map.of(7L, gradient(1), -8L, gradient(2)));
        }
    }

    @Test
    void append_zeroGradient_isStored() {
        await(writer.append(batch(1, 1, NOTHING)));
        try (RunSnapshot snapshot = run.snapshot()) {
            assertHolds(snapshot, Map.of(1L, NOTHING));
            assertThat(snapshot.samples().statistics().squaredNormSums()).containsOnly(0);
        }
    }

    @Test
    void append_equalContentAgain_isADuplicate() {
        await(writer.append(batch(1, 1, gradient(1))));
        BatchReceipt receipt = await(writer.append(batch(2, new long[] {1, 2}, gradient(1), gradient(2))));

        assertThat(receipt).isEqualTo(new BatchReceipt(2, 2, 1, 0, 1, List.of()));
        try (RunSnapshot snapshot = run.snapshot()) {
            assertHolds(snapshot, Map.of(1L, gradient(1), 2L, gradient(2)));
        }
    }

    @Test
    void append_otherContent_replacesTheSample() {
        await(writer.append(batch(1, new long[] {1, 2}, gradient(1), gradient(2))));
        try (RunSnapshot before = run.snapshot()) {
            BatchReceipt receipt = await(writer.append(batch(2, 1, gradient(3))));

            assertThat(receipt).isEqualTo(new BatchReceipt(2, 3, 1, 1, 0, List.of()));
            assertHolds(before, Map.of(1L, gradient(1), 2L, gradient(2)));
            try (RunSnapshot after = run.snapshot()) {
                assertHolds(after, Map.of(1L, gradient(3), 2L, gradient(2)));
                assertThat(after.samples().live(0)).isFalse();
                assertThat(after.ordinalsOf(new long[] {1, 2})).containsExactly(2, 1);
                assertThat(before.ordinalsOf(new long[] {1, 2})).containsExactly(0, 1);
            }
        }
    }

    @Test
    void append_replacedOftenAndPipelined_keepsTheLast() {
        List<CompletionStage<BatchReceipt>> receipts = new ArrayList<>();
        for (int seq = 1; seq <= 100; seq++) {
            receipts.add(writer.append(batch(seq, new long[] {1, 1000 + seq}, gradient(seq / 3), gradient(seq))));
        }
        int duplicates = 0;
        for (CompletionStage<BatchReceipt> receipt : receipts) {
            duplicates += await(receipt).duplicateCount();
        }

        assertThat(duplicates).isEqualTo(100 - 34);
        assertThat(run.revision()).isEqualTo(134);
        assertThat(run.sampleCount()).isEqualTo(101);
        try (RunSnapshot snapshot = run.snapshot()) {
            assertThat(row(snapshot, snapshot.ordinalsOf(new long[] {1})[0])).isEqualTo(gradient(33));
            assertConsistent(snapshot);
        }
    }

    @Test
    void append_nanAndInfinity_rejectsThoseSamplesByName() {
        float[] nan = gradient(1);
        nan[6] = Float.NaN;
        float[] infinite = gradient(2);
        infinite[9] = Float.NEGATIVE_INFINITY;
        infinite[20] = Float.NaN;
        BatchReceipt receipt = await(writer.append(batch(1, new long[] {1, 2, 3}, nan, gradient(3), infinite)));

        assertThat(receipt.storedCount()).isEqualTo(1);
        assertThat(receipt.rejected())
                .containsExactly(
                        new RejectedSample(1, "b", Reason.NAN, "element 0 of block 'b' is NaN"),
                        new RejectedSample(3, "c", Reason.INFINITE, "element 2 of block 'c' is -Infinity"));
        try (RunSnapshot snapshot = run.snapshot()) {
            assertHolds(snapshot, Map.of(2L, gradient(3)));
        }
    }

    @Test
    void append_greatestFloats_areNotTakenForInfinity() {
        float[] great = gradient(1);
        Arrays.fill(great, Float.MAX_VALUE);
        assertThat(await(writer.append(batch(1, 1, great))).storedCount()).isEqualTo(1);
    }

    @Test
    void append_toBf16_roundsAndUsesTheRoundedValues() throws IOException {
        Run bf16 = registry.create(definition("bf16", ElementType.BF16));
        RunWriter bf16Writer = bf16.openWriter("writer");
        float[] sent = gradient(1);
        float[] rounded = new float[DIMENSION];
        for (int i = 0; i < DIMENSION; i++) {
            rounded[i] = ElementConversion.bf16ToFloat(ElementConversion.floatToBf16(sent[i]));
        }
        assertThat(rounded).isNotEqualTo(sent);
        await(bf16Writer.append(batch(1, 1, sent)));
        try (RunSnapshot snapshot = bf16.snapshot()) {
            assertHolds(snapshot, Map.of(1L, rounded));
        }
        assertThat(await(bf16Writer.append(batch(2, 1, rounded))).duplicateCount())
                .isEqualTo(1);
    }

    @Test
    void append_toBf16BeyondItsRange_rejectsTheSample() throws IOException {
        RunWriter bf16Writer =
                registry.create(definition("bf16", ElementType.BF16)).openWriter("writer");
        float[] great = gradient(1);
        great[1] = Float.MAX_VALUE;
        BatchReceipt receipt = await(bf16Writer.append(batch(1, 1, great)));

        assertThat(receipt.rejected())
                .containsExactly(new RejectedSample(
                        1, "a", Reason.INFINITE, "element 1 of block 'a' is 3.4028235E38, which BF16 cannot hold"));
    }

    @Test
    void append_fromF16AndFromTheHeap_areConverted() {
        short[] halves = new short[DIMENSION];
        float[] widened = new float[DIMENSION];
        for (int i = 0; i < DIMENSION; i++) {
            halves[i] = Float.floatToFloat16(i - 3.5f);
            widened[i] = Float.float16ToFloat(halves[i]);
        }
        MemorySegment f16 = Arena.ofAuto().allocateFrom(ValueLayout.JAVA_SHORT, halves);
        MemorySegment heap = MemorySegment.ofArray(gradient(5));
        await(writer.append(new SampleBatch(1, new long[] {1}, new long[] {10}, ElementType.F16, f16)));
        await(writer.append(new SampleBatch(2, new long[] {2}, new long[] {20}, ElementType.F32, heap)));
        try (Arena confined = Arena.ofConfined()) {
            MemorySegment mine = confined.allocateFrom(ValueLayout.JAVA_FLOAT, gradient(6));
            await(writer.append(new SampleBatch(3, new long[] {3}, new long[0], ElementType.F32, mine)));
        }
        try (RunSnapshot snapshot = run.snapshot()) {
            assertHolds(snapshot, Map.of(1L, widened, 2L, gradient(5), 3L, gradient(6)));
        }
    }

    @Test
    void append_onlyRejectedSamples_makesTheNumberDurable() {
        float[] nan = gradient(1);
        nan[0] = Float.NaN;
        await(writer.append(batch(1, 1, nan)));
        assertThat(writer.resumeAfterBatchSeq()).isEqualTo(1);
        assertThat(run.revision()).isZero();
        assertThat(await(writer.append(batch(2, 1, gradient(1)))).storedCount()).isEqualTo(1);
    }

    @Test
    void append_durableNumberAgain_changesNothing() {
        await(writer.append(batch(1, 1, gradient(1))));
        assertThat(await(writer.append(batch(1, 2, gradient(2)))))
                .isEqualTo(new BatchReceipt(1, 1, 0, 0, 0, List.of()));
        assertThat(run.sampleCount()).isEqualTo(1);
    }

    @Test
    void append_sameNumberTwiceBeforeTheFirstIsDurable_appliesTheFirst() {
        CompletionStage<BatchReceipt> first = writer.append(batch(1, 1, gradient(1)));
        CompletionStage<BatchReceipt> second = writer.append(batch(1, 2, gradient(2)));
        assertThat(await(first).storedCount()).isEqualTo(1);
        assertThat(await(second).storedCount()).isZero();
        try (RunSnapshot snapshot = run.snapshot()) {
            assertHolds(snapshot, Map.of(1L, gradient(1)));
        }
    }

    @Test
    void append_gap_isRefusedAndNothingIsApplied() {
        await(writer.append(batch(1, 1, gradient(1))));
        assertThat(failure(writer.append(batch(3, 2, gradient(2)))))
                .isInstanceOf(BatchOutOfOrderException.class)
                .hasMessage("batch_seq is 3: expected 2");
        assertThat(run.sampleCount()).isEqualTo(1);
        assertThat(await(writer.append(batch(2, 2, gradient(2)))).storedCount()).isEqualTo(1);
    }

    @Test
    void append_wrongLength_isRefused() {
        MemorySegment tooLong = Arena.ofAuto().allocate(DIMENSION * 4L + 4);
        SampleBatch bad = new SampleBatch(1, new long[] {1}, new long[0], ElementType.F32, tooLong);
        assertThatIllegalArgumentException()
                .isThrownBy(() -> writer.append(bad))
                .withMessage("gradients has 92 bytes: expected 88 for 1 samples of 22 elements F32");
    }

    @Test
    void sampleBatch_badArguments_areNamed() {
        MemorySegment any = MemorySegment.NULL;
        assertThatIllegalArgumentException()
                .isThrownBy(() -> new SampleBatch(0, new long[] {1}, new long[0], ElementType.F32, any))
                .withMessageContaining("batch_seq is 0");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> new SampleBatch(1, new long[0], new long[0], ElementType.F32, any))
                .withMessageContaining("sample_ids is empty");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> new SampleBatch(1, new long[] {1, 2}, new long[1], ElementType.F32, any))
                .withMessageContaining("steps has 1 entries: expected none or 2");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> new SampleBatch(1, new long[] {5, -1, 5}, new long[0], ElementType.F32, any))
                .withMessageContaining("sample_ids has 5 twice");
    }

    @Test
    void openWriter_sameId_supersedesTheOlder() {
        await(writer.append(batch(1, 1, gradient(1))));
        AtomicInteger ended = new AtomicInteger();
        writer.onEnd(ended::incrementAndGet);
        RunWriter newer = run.openWriter("writer");

        assertThat(ended).hasValue(1);
        assertThat(newer.resumeAfterBatchSeq()).isEqualTo(1);
        assertThat(failure(writer.append(batch(2, 2, gradient(2)))))
                .isInstanceOf(SupersededWriterException.class)
                .hasMessageContaining("'writer'");
        writer.onEnd(ended::incrementAndGet);
        assertThat(ended).hasValue(2);
        // Closing the older one must not take the newer one's place away.
        writer.close();
        assertThat(await(newer.append(batch(2, 2, gradient(2)))).storedCount()).isEqualTo(1);
    }

    @Test
    void openWriter_earlierStreamOfTheSameInstance_isTurnedAway() {
        RunWriter second = run.openWriter("w", new WriterStream(-7, 2));

        assertThatThrownBy(() -> run.openWriter("w", new WriterStream(-7, 1)))
                .isInstanceOf(SupersededWriterException.class);
        assertThat(await(second.append(batch(1, 1, gradient(1)))).storedCount()).isEqualTo(1);

        RunWriter third = run.openWriter("w", new WriterStream(-7, 3));
        assertThat(failure(second.append(batch(2, 2, gradient(2))))).isInstanceOf(SupersededWriterException.class);
        RunWriter otherInstance = run.openWriter("w", new WriterStream(5, 1));
        assertThat(failure(third.append(batch(2, 2, gradient(2))))).isInstanceOf(SupersededWriterException.class);
        assertThat(await(otherInstance.append(batch(2, 2, gradient(2)))).storedCount())
                .isEqualTo(1);
    }

    @Test
    void close_afterAppend_keepsWhatWasAppended() {
        CompletionStage<BatchReceipt> receipt = writer.append(batch(1, 1, gradient(1)));
        writer.close();
        assertThat(await(receipt).storedCount()).isEqualTo(1);
        assertThat(failure(writer.append(batch(2, 2, gradient(2)))))
                .isInstanceOf(IllegalStateException.class)
                .hasMessage("writer 'writer' is closed");
        assertThat(run.openWriter("writer").resumeAfterBatchSeq()).isEqualTo(1);
    }

    @Test
    void append_storeFails_showsNothingAndCanBeSentAgain() throws IOException {
        await(writer.append(batch(1, 1, gradient(1))));
        files.failForces(true);
        files.failTruncates(true);
        CompletionStage<BatchReceipt> second = writer.append(batch(2, new long[] {1, 2}, gradient(9), gradient(2)));
        CompletionStage<BatchReceipt> third = writer.append(batch(3, 3, gradient(3)));
        assertThat(failure(second)).isInstanceOf(IOException.class).hasMessageContaining("injected fault: force");
        // Behind a batch that failed it would leave a gap.
        assertThat(failure(third)).isInstanceOfAny(IOException.class, BatchOutOfOrderException.class);
        assertThat(run.revision()).isEqualTo(1);
        assertThat(writer.resumeAfterBatchSeq()).isEqualTo(1);
        assertThat(registry.figures().memoryBytes()).isEqualTo(128);

        files.failForces(false);
        await(writer.append(batch(2, 2, gradient(2))));
        await(writer.append(batch(3, 3, gradient(3))));
        Map<Long, float[]> expected = Map.of(1L, gradient(1), 2L, gradient(2), 3L, gradient(3));
        try (RunSnapshot snapshot = run.snapshot()) {
            assertHolds(snapshot, expected);
        }
        registry.close();
        registry = RunFixture.open(directory);
        try (RunSnapshot snapshot = registry.get(new RunId("run")).snapshot()) {
            assertHolds(snapshot, expected);
            assertThat(snapshot.revision()).isEqualTo(3);
        }
    }

    @Test
    void append_memoryFull_storesWithoutKeepingInMemory() throws IOException {
        registry.close();
        // Rows of 88 bytes lie 128 bytes apart: room for three.
        registry = RunFixture.open(directory, 3 * 128, files);
        run = registry.get(new RunId("run"));
        writer = run.openWriter("writer");
        await(registry.create(definition("other")).openWriter("w").append(batch(1, 1, gradient(1))));

        await(writer.append(batch(1, 1, gradient(1))));
        assertThat(await(writer.append(batch(2, new long[] {2, 3}, gradient(2), gradient(3))))
                        .storedCount())
                .isEqualTo(2);
        assertThat(registry.figures()).isEqualTo(new StorageFigures(2, 2, 4, 3, 0, 384, 0, 384, true));
        assertThat(run.residentCount()).isEqualTo(2);
        // Sent again: a sample in memory and one in the files only are both known to be the same.
        assertThat(await(writer.append(batch(3, new long[] {1, 2, 3}, gradient(1), gradient(2), gradient(3))))
                        .duplicateCount())
                .isEqualTo(3);
        try (RunSnapshot snapshot = run.snapshot()) {
            assertThat(snapshot.residentCount()).isEqualTo(2);
            assertHolds(snapshot, Map.of(1L, gradient(1), 2L, gradient(2), 3L, gradient(3)));
        }

        registry.delete(new RunId("other"));
        await(writer.append(batch(4, 4, gradient(4))));
        assertThat(registry.figures()).isEqualTo(new StorageFigures(1, 1, 4, 3, 0, 384, 0, 384, true));
    }
}
