package io.datainf.engine.run;

/** A newer stream has taken the writer id over. */
public final class SupersededWriterException extends RuntimeException {

    private static final long serialVersionUID = 1L;

    /** Creates the exception. */
    public SupersededWriterException(String writerId) {
        super("writer '%s' was opened again by another stream: this one has ended".formatted(writerId));
    }
}
