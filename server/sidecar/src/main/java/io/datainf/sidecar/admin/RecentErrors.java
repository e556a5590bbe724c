package io.datainf.sidecar.admin;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import java.time.Instant;
import java.time.InstantSource;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.List;
import java.util.Optional;

/** The last things that were rejected or failed, for people who look. What repeats itself is counted. Safe for any number of threads. */
public final class RecentErrors {

    private static final int MAX_ENTRIES = 50;
    private static final int MAX_TEXT = 300;

    private final InstantSource clock;

    // The newest last.
    @GuardedBy("this")
    private final Deque<Entry> entries = new ArrayDeque<>();

    /** Creates an empty list. */
    public RecentErrors() {
        this(InstantSource.system());
    }

    RecentErrors(InstantSource clock) {
        this.clock = clock;
    }

    /**
     * Takes note of an error.
     *
     * @param source where it came from, e.g. Query
     * @param run which run it was about, if that is known
     * @param text what it was; no gradients, no secrets
     */
    public synchronized void add(String source, Optional<String> run, String text) {
        Entry entry = new Entry(clock.instant(), 1, source, run, shortened(text));
        Entry last = entries.peekLast();
        if (last != null && last.repeats(entry)) {
            entries.removeLast();
            entry = new Entry(entry.lastTime(), last.count() + 1, source, run, entry.text());
        }
        entries.addLast(entry);
        if (entries.size() > MAX_ENTRIES) {
            entries.removeFirst();
        }
    }

    /** Returns them, the newest first. */
    synchronized List<Entry> newestFirst() {
        return List.copyOf(entries).reversed();
    }

    private static String shortened(String text) {
        return text.length() <= MAX_TEXT ? text : text.substring(0, MAX_TEXT) + "…";
    }

    /**
     * One error.
     *
     * @param lastTime when it came last
     * @param count how often it came in a row
     */
    record Entry(Instant lastTime, long count, String source, Optional<String> run, String text) {

        private boolean repeats(Entry other) {
            return source.equals(other.source) && run.equals(other.run) && text.equals(other.text);
        }
    }
}
