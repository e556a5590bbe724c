package io.datainf.loadtests.report;

import java.io.IOException;
import java.nio.charset.StandardCharsets;

/** What is measured, by its name in Git. */
final class Commit {

    private Commit() {}

    /**
     * Returns the abbreviated hash of the commit checked out where this process runs, followed by "-dirty" when files differ from
     * it; "unknown" outside of a repository.
     */
    static String current() throws IOException, InterruptedException {
        Process git = new ProcessBuilder("git", "describe", "--always", "--dirty", "--exclude=*", "--abbrev=12")
                .redirectError(ProcessBuilder.Redirect.DISCARD)
                .start();
        String printed = new String(git.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        return git.waitFor() == 0 ? printed.strip() : "unknown";
    }
}
