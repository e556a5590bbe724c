package io.datainf.loadtests.ingest;

/**
 * A way for rows to go.
 *
 * @param name for people, unique within a race
 * @param language of who sends
 * @param path how, see {@link Command}
 * @param target where to
 * @param taker who takes them; who sends takes them itself if the path is memcpy
 * @param shape of the rows
 * @param writers that send at once
 */
record Route(String name, Language language, String path, String target, Taker taker, RowShape shape, int writers) {

    /** What a sender is written in. */
    enum Language {
        PYTHON,
        JAVA
    }

    /** The same by another path. */
    Route by(String otherPath, String otherName) {
        return new Route(otherName, language, otherPath, target, taker, shape, writers);
    }

    /** The same with other rows and writers. */
    Route with(String otherName, RowShape otherShape, int otherWriters) {
        return new Route(otherName, language, path, target, taker, otherShape, otherWriters);
    }
}
