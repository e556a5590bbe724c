package io.datainf.loadtests.ingest;

import io.datainf.client.DataInfClient;

/** Who takes the rows, in a process of its own. */
interface Taker {

    /** Its process. */
    long pid();

    /** Makes a place for rows. */
    void open(String name, RowShape shape);

    /** Lets the rows go. */
    void drop(String name);

    /** A process that needs no place, or is told by who sends. */
    static Taker passive(long pid) {
        return new Taker() {

            @Override
            public long pid() {
                return pid;
            }

            @Override
            public void open(String name, RowShape shape) {}

            @Override
            public void drop(String name) {}
        };
    }

    /** Our server: a run for the rows, and its deletion. */
    record OurServer(long pid, DataInfClient client) implements Taker {

        @Override
        public void open(String name, RowShape shape) {
            client.createRun(shape.run(name));
        }

        @Override
        public void drop(String name) {
            client.deleteRun(name);
        }
    }
}
