package io.datainf.sidecar.admin;

import java.util.List;

/**
 * What the template {@code status.html} shows, all of it as text. A part whose list is empty is left out.
 *
 * @param frame how the page behaves
 * @param facts what runs here
 * @param sections tables of a name and a value
 * @param rates samples a second, lately
 * @param runs the runs
 * @param queries queries by method
 * @param errors what was rejected or failed lately
 */
record StatusView(
        Frame frame,
        List<Fact> facts,
        List<Section> sections,
        List<RateView> rates,
        List<Runs> runs,
        List<Queries> queries,
        List<ErrorRow> errors) {

    /**
     * How the page behaves.
     *
     * @param css style sheet
     * @param refreshSeconds how often the page comes again; empty: it does not
     * @param otherRefresh where it does not, or does again
     */
    record Frame(String css, List<String> refreshSeconds, String otherRefresh) {}

    /** A name and a value. */
    record Fact(String name, String value) {}

    /** A table of facts under a heading. */
    record Section(String id, String heading, List<Fact> facts) {}

    /**
     * A line of values over time.
     *
     * @param points of an SVG polyline
     * @param alt what it shows, in words
     */
    record RateView(String points, String alt) {}

    /**
     * Runs.
     *
     * @param note what the table leaves out
     * @param plots blocks of one of them
     */
    record Runs(List<RunRow> rows, String note, List<PlotView> plots) {}

    /**
     * A run.
     *
     * @param link to the page with its blocks; empty: it is not open
     * @param cells the other columns
     */
    record RunRow(String id, String link, List<String> cells) {}

    /** Charts of the blocks of a run. */
    record PlotView(String run, String note, List<ChartView> charts) {}

    /**
     * One value a block, on a logarithmic axis.
     *
     * @param id unique on the page
     * @param alt what it shows, in words
     * @param lines the axis
     * @param dots the blocks
     */
    record ChartView(String id, String heading, String alt, List<LineView> lines, List<DotView> dots) {}

    /** A line of the grid. */
    record LineView(String y, String label) {}

    /** A block. */
    record DotView(String kind, String x, String y, String label) {}

    /**
     * Queries by method.
     *
     * @param window how far back they go
     */
    record Queries(String window, List<QueryRow> rows) {}

    /** Queries of a method; cells are the other columns. */
    record QueryRow(String method, List<String> cells) {}

    /** An error. */
    record ErrorRow(String time, String count, String source, String run, String text) {}
}
