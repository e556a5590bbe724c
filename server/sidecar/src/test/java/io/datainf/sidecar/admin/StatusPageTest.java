package io.datainf.sidecar.admin;

import static org.assertj.core.api.Assertions.assertThat;

import io.datainf.engine.memory.Block;
import io.datainf.engine.memory.BlockLayout;
import io.datainf.engine.memory.ElementType;
import io.datainf.engine.run.Run;
import io.datainf.engine.run.RunDefinition;
import io.datainf.engine.run.RunId;
import io.datainf.engine.run.RunRegistry;
import io.datainf.engine.run.RunWriter;
import io.datainf.engine.run.SampleBatch;
import io.datainf.engine.store.StoreEvents;
import io.datainf.sidecar.metrics.ServerMetrics;
import io.datainf.sidecar.security.Caller;
import io.datainf.sidecar.security.Quota;
import io.datainf.sidecar.security.Scope;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class StatusPageTest {

    private static final Caller ANYBODY = Caller.trusted("anybody", Quota.DEFAULT);
    private static final Optional<String> NO_QUERY = Optional.empty();
    private static final String EVIL = "<script>alert('q_proj')</script>&\".lora_A";

    private final RecentErrors errors = new RecentErrors();
    private final StatusPage page = new StatusPage(errors);
    private final ServerMetrics metrics = new ServerMetrics("test");

    @TempDir
    private Path folder;

    private RunRegistry runs;

    @BeforeEach
    void open() throws IOException {
        runs = RunRegistry.open(folder, 1L << 24, StoreEvents.NONE);
        show();
    }

    @AfterEach
    void close() {
        runs.close();
        metrics.close();
    }

    @Test
    void render_beforeTheServerServes_saysSo() {
        assertThat(new StatusPage(errors).render(ANYBODY, NO_QUERY)).contains("<dd>starting</dd>", "</html>");
    }

    @Test
    void render_showsRunsAndTheirBlocks() throws Exception {
        createRun("roberta", "query.lora_A", "query.lora_B");
        store(createRun("llama", "k_proj.lora_A", "k_proj.lora_B"), new float[] {3, 4, 0, 0}, new float[] {0, 5, 0, 0});

        String html = page.render(ANYBODY, NO_QUERY);

        assertThat(html)
                .contains("<a href=\"?run&#x3D;llama\">llama</a></th><td>2</td><td>4</td><td>2</td><td>2</td>")
                .contains("<a href=\"?run&#x3D;roberta\">roberta</a></th><td>0</td><td>4</td><td>2</td><td>0</td>")
                .contains("<h3>Blocks of llama</h3>")
                // lambda = 0.1 / (2 * 2) * 50, and zero for the second block; |g| = 5 of both samples.
                .contains("<title>k_proj.lora_A: 1.25e+00</title>", "<title>k_proj.lora_A: 5.00e+00</title>")
                .contains("class=\"zero\"", "<title>k_proj.lora_B: 0</title>", "1 of them zero")
                .contains("2 runs.", "class=\"lora-a\"")
                .doesNotContain("Blocks of roberta");
        assertThat(page.render(ANYBODY, Optional.of("run=roberta"))).doesNotContain("Blocks of");
    }

    @Test
    void render_newestRunFirst_andTheOneAskedForIsDrawn() throws Exception {
        store(createRun("zebra", "a", "b"), new float[] {1, 1, 1, 1});
        store(createRun("aardvark", "a", "b"), new float[] {1, 1, 1, 1});

        String html = page.render(ANYBODY, Optional.of("run=zebra&pause=1"));

        assertThat(html.indexOf(">aardvark</a>")).isLessThan(html.indexOf(">zebra</a>"));
        assertThat(html)
                .contains("Blocks of zebra", "href=\"?run&#x3D;zebra&amp;\">Refresh again</a>")
                .doesNotContain("http-equiv");
        assertThat(page.render(ANYBODY, NO_QUERY))
                .contains("Blocks of aardvark", "http-equiv=\"refresh\" content=\"5\"", "Stop refreshing</a>");
    }

    @Test
    void render_escapesWhateverOthersHaveNamed() throws Exception {
        store(createRun("run", EVIL, "b"), new float[] {1, 1, 1, 1});
        errors.add("Query", Optional.of("run"), "run_id is '" + EVIL + "': expected a name");

        String html = page.render(ANYBODY, Optional.of("run=%22%3E%3Cscript%3E&pause=%zz"));
        String drawn = page.render(ANYBODY, NO_QUERY);

        assertThat(html + drawn).doesNotContain("<script").contains("&lt;script&gt;alert");
        assertThat(drawn).contains("<title>&lt;script&gt;alert(&#39;q_proj&#39;)&lt;/script&gt;&amp;&quot;.lora_A: ");
    }

    @Test
    void render_withManyRuns_opensNoneAndIsBounded() throws Exception {
        for (int i = 0; i < 1_000; i++) {
            createRun("run-%04d".formatted(i), "a", "b");
        }
        restart();
        runs.get(new RunId("run-0777"));

        String html = page.render(ANYBODY, NO_QUERY);

        assertThat(runs.figures().openRunCount()).isEqualTo(1);
        assertThat(html).contains("50 of 1,000 runs").containsOnlyOnce(">run-0777</a>");
        assertThat(html.split("<td>not opened</td>", -1)).hasSize(50);
        assertThat(html.length()).isLessThan(50_000);
    }

    @Test
    void render_withManyBlocks_isBounded() throws Exception {
        Block[] blocks = new Block[5_000];
        for (int l = 0; l < blocks.length; l++) {
            blocks[l] = new Block("block-" + l, 1, 1);
        }
        float[] gradient = new float[blocks.length];
        gradient[4_321] = 1e-3f;
        store(createRun("wide", BlockLayout.of(List.of(blocks))), gradient);

        String html = page.render(ANYBODY, NO_QUERY);

        assertThat(html)
                .contains("Each dot is the greatest of 9 blocks side by side.", "<title>block-4321: 1.00e-03</title>")
                .contains("4,999 of them zero");
        assertThat(html.split("<circle", -1)).hasSizeLessThan(1_202);
    }

    @Test
    void render_forATokenOfSomeRuns_leavesTheOthersOut() throws Exception {
        store(createRun("exp-1", "a", "b"), new float[] {1, 1, 1, 1});
        store(createRun("secret", "a", "b"), new float[] {1, 1, 1, 1});
        errors.add("Ingest", Optional.of("secret"), "of the other run");
        errors.add("Ingest", Optional.of("exp-1"), "of this run");
        errors.add("log ERROR RunSlot", Optional.empty(), "of nobody knows which");
        Caller some = new Caller("some", Set.of(Scope.METRICS), List.of("exp-*"), Quota.DEFAULT);

        String html = page.render(some, Optional.of("run=secret"));

        assertThat(html).contains(">exp-1</a>", "of this run", "1 runs.").doesNotContain("Blocks of", "of the other");
        assertThat(html).doesNotContain("of nobody", ">secret<");
        assertThat(page.render(ANYBODY, NO_QUERY)).contains("of the other run", "of nobody knows which", ">secret<");
    }

    @Test
    void render_afterActivity_showsIt() {
        metrics.ingest().streamOpened();
        metrics.ingest().batchReceived(10, 4_000);

        assertThat(page.render(ANYBODY, NO_QUERY))
                .contains("<th scope=\"row\">Writers</th><td>1</td>")
                .contains("<th scope=\"row\">Batches not durable yet</th><td>1</td>")
                .contains("<th scope=\"row\">Bytes not acked yet</th><td>1.23 kB</td>")
                .contains("<th scope=\"row\">Queries waiting</th><td>3</td>")
                .contains("<th scope=\"row\">datainf</th><td>0</td><td>0</td><td>–</td>");
    }

    private void show() {
        page.show(new StatusSources(
                new StatusSources.Server("1.2.3", "vector", List.of("gRPC here"), folder, Instant.EPOCH),
                runs,
                metrics.activity()::figures,
                () -> 1_234,
                () -> 3));
    }

    private void restart() throws IOException {
        runs.close();
        runs = RunRegistry.open(folder, 1L << 24, StoreEvents.NONE);
        show();
    }

    /** A run of two blocks of two elements. */
    private Run createRun(String id, String firstBlock, String secondBlock) throws IOException {
        return createRun(id, BlockLayout.of(List.of(new Block(firstBlock, 1, 2), new Block(secondBlock, 1, 2))));
    }

    private Run createRun(String id, BlockLayout layout) throws IOException {
        return runs.create(new RunDefinition(new RunId(id), layout, ElementType.F32, 0.1, "", Map.of()));
    }

    private static void store(Run run, float[]... rows) throws Exception {
        int width = rows[0].length;
        MemorySegment memory = Arena.ofAuto().allocate((long) rows.length * width * Float.BYTES);
        long[] ids = new long[rows.length];
        for (int i = 0; i < rows.length; i++) {
            ids[i] = i;
            MemorySegment.copy(
                    rows[i], 0, memory, ValueLayout.JAVA_FLOAT_UNALIGNED, (long) i * width * Float.BYTES, width);
        }
        try (RunWriter writer = run.openWriter("w")) {
            writer.append(new SampleBatch(1, ids, new long[0], ElementType.F32, memory))
                    .toCompletableFuture()
                    .get(60, TimeUnit.SECONDS);
        }
    }
}
