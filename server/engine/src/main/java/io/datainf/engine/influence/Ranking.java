package io.datainf.engine.influence;

/** What ranks first among scores. */
public enum Ranking {
    /** Greatest score first. */
    MOST_HARMFUL,
    /** Least score first. */
    MOST_HELPFUL,
    /** Greatest absolute score first. */
    ABSOLUTE
}
