package io.datainf.sidecar.query;

import static org.assertj.core.api.Assertions.assertThat;

import io.datainf.engine.run.Run;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class QueryQueueTest {

    private static final QueryListener NOBODY = new QueryListener() {
        @Override
        public void answered(QueryAnswer answer) {
            answer.close();
        }

        @Override
        public void failed(Throwable cause) {}
    };

    private final QueryQueue queue = new QueryQueue();
    private final Map<QueuedQuery, String> names = new HashMap<>();
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

    private QueuedQuery add(String name, Run of, String client, boolean alone, int pointCount) {
        QueuedQuery query = new QueuedQuery(
                TestExecutor.plan(of, alone, new long[pointCount]), client, () -> name.startsWith("gone"), NOBODY);
        names.put(query, name);
        queue.add(query);
        return query;
    }

    private List<String> take() {
        return queue.takeBatch(32).stream().map(names::get).toList();
    }

    @Test
    void takeBatch_empty_givesNone() {
        assertThat(take()).isEmpty();
        assertThat(queue.size()).isZero();
    }

    @Test
    void takeBatch_severalRuns_goRound() {
        add("a1", run, "a", false, 1);
        add("a2", run, "a", false, 1);
        add("b1", other, "b", true, 1);
        add("b2", other, "b", true, 1);
        assertThat(queue.size()).isEqualTo(4);
        assertThat(take()).containsExactly("a1", "a2");
        add("a3", run, "a", false, 1);
        assertThat(take()).containsExactly("b1");
        assertThat(take()).containsExactly("a3");
        assertThat(take()).containsExactly("b2");
        assertThat(queue.size()).isZero();
    }

    @Test
    void takeBatch_severalClients_eachGetsItsTurn() {
        for (int i = 0; i < 40; i++) {
            add("many" + i, run, "many", false, 1);
        }
        add("few", run, "few", false, 1);
        List<String> batch = take();
        assertThat(batch).hasSize(32).startsWith("many0", "few", "many1");
        assertThat(take()).hasSize(9);
    }

    @Test
    void takeBatch_clientsThatDoNotJoin_goRound() {
        for (int i = 0; i < 3; i++) {
            add("a" + i, run, "a", true, 1);
        }
        add("b0", run, "b", true, 1);
        List<String> order = new ArrayList<>();
        order.addAll(take());
        add("c0", run, "c", true, 1);
        for (List<String> next = take(); !next.isEmpty(); next = take()) {
            order.addAll(next);
        }
        assertThat(order).containsExactly("a0", "b0", "a1", "c0", "a2");
    }

    @Test
    void takeBatch_largeQuery_comesAlone() {
        add("large", run, "a", false, 40);
        add("small", run, "a", false, 1);
        assertThat(take()).containsExactly("large");
        assertThat(take()).containsExactly("small");
    }

    @Test
    void putBack_queries_areNextOfTheirClientInOrder() {
        for (int i = 0; i < 4; i++) {
            add("a" + i, run, "a", false, 1);
        }
        List<QueuedQuery> batch = queue.takeBatch(3);
        add("a4", run, "a", false, 1);
        queue.putBack(batch.subList(1, 3));
        assertThat(queue.size()).isEqualTo(4);
        assertThat(take()).containsExactly("a1", "a2", "a3", "a4");
    }

    @Test
    void removeIf_someQueries_leavesTheOthers() {
        add("gone1", run, "a", false, 1);
        add("stays", run, "a", false, 1);
        add("gone2", other, "b", false, 1);
        assertThat(queue.removeIf(QueuedQuery::cancelled))
                .extracting(names::get)
                .containsExactly("gone1", "gone2");
        assertThat(queue.size()).isEqualTo(1);
        assertThat(take()).containsExactly("stays");
        assertThat(take()).isEmpty();
    }
}
