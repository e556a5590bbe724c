package io.datainf.sidecar.query;

import io.datainf.engine.run.Run;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.SequencedMap;
import java.util.function.Predicate;

/*
 * Turns go round: a run whose queries were taken goes behind the other runs, a client whose queries were taken behind the other
 * clients of the run, and whoever comes anew goes to the end. So a client or a run with many queries waits for its own, and
 * nobody is passed over twice in a row.
 */
/** Queries that wait, and which of them are next. Not safe for concurrent use. */
final class QueryQueue {

    private final SequencedMap<Run, SequencedMap<Object, Deque<QueuedQuery>>> runs = new LinkedHashMap<>();
    private int size;

    /** Queries that wait. */
    int size() {
        return size;
    }

    /** Adds a query behind the others of its client. */
    void add(QueuedQuery query) {
        ofClient(query).addLast(query);
        size++;
    }

    /** Puts queries that were taken but not computed ahead of the others of their clients. */
    void putBack(List<QueuedQuery> queries) {
        for (QueuedQuery query : queries.reversed()) {
            ofClient(query).addFirst(query);
            size++;
        }
    }

    /**
     * Takes the queries to compute next: all of one run, each {@linkplain QueuedQuery#joins joining} the first; none if none wait.
     *
     * @param maxPoints most validation points, over all queries; a first query with more comes alone
     */
    List<QueuedQuery> takeBatch(int maxPoints) {
        var next = runs.pollFirstEntry();
        if (next == null) {
            return List.of();
        }
        SequencedMap<Object, Deque<QueuedQuery>> clients = next.getValue();
        List<QueuedQuery> batch = batch(inTurn(clients), maxPoints);
        for (QueuedQuery query : batch) {
            Deque<QueuedQuery> waiting = ofClient(clients, query.client());
            waiting.remove(query);
            clients.remove(query.client());
            if (!waiting.isEmpty()) {
                clients.putLast(query.client(), waiting);
            }
        }
        if (!clients.isEmpty()) {
            runs.putLast(next.getKey(), clients);
        }
        size -= batch.size();
        return batch;
    }

    /** Removes and returns the queries that {@code which} holds for. */
    List<QueuedQuery> removeIf(Predicate<QueuedQuery> which) {
        List<QueuedQuery> removed = new ArrayList<>();
        for (var clients : runs.values()) {
            for (var waiting : clients.values()) {
                waiting.removeIf(query -> which.test(query) && removed.add(query));
            }
            clients.values().removeIf(Deque::isEmpty);
        }
        runs.values().removeIf(SequencedMap::isEmpty);
        size -= removed.size();
        return removed;
    }

    private static List<QueuedQuery> batch(List<QueuedQuery> inTurn, int maxPoints) {
        QueuedQuery first = inTurn.getFirst();
        List<QueuedQuery> batch = new ArrayList<>();
        long points = 0;
        for (QueuedQuery query : inTurn) {
            long together = points + query.plan().queryCount();
            if (query.equals(first) || (together <= maxPoints && query.joins(first))) {
                batch.add(query);
                points = together;
            }
        }
        return batch;
    }

    /** The first of each client, then the second of each, and so on. */
    private static List<QueuedQuery> inTurn(SequencedMap<Object, Deque<QueuedQuery>> clients) {
        List<Iterator<QueuedQuery>> remaining = new ArrayList<>();
        clients.values().forEach(waiting -> remaining.add(waiting.iterator()));
        List<QueuedQuery> inTurn = new ArrayList<>();
        while (!remaining.isEmpty()) {
            remaining.removeIf(iterator -> !iterator.hasNext());
            remaining.forEach(iterator -> inTurn.add(iterator.next()));
        }
        return inTurn;
    }

    private Deque<QueuedQuery> ofClient(QueuedQuery query) {
        return ofClient(runs.computeIfAbsent(query.plan().run(), run -> new LinkedHashMap<>()), query.client());
    }

    private static Deque<QueuedQuery> ofClient(SequencedMap<Object, Deque<QueuedQuery>> clients, Object client) {
        return clients.computeIfAbsent(client, absent -> new ArrayDeque<>());
    }
}
