package io.datainf.client;

/** What ranks first. Ties go to the smaller sample id, as an unsigned number. */
public enum Ranking {
    /** The greatest score. */
    MOST_HARMFUL(io.datainf.proto.v1.Ranking.RANKING_MOST_HARMFUL),
    /** The least, most negative score. */
    MOST_HELPFUL(io.datainf.proto.v1.Ranking.RANKING_MOST_HELPFUL),
    /** The greatest absolute score. */
    ABSOLUTE(io.datainf.proto.v1.Ranking.RANKING_ABSOLUTE);

    private final io.datainf.proto.v1.Ranking proto;

    Ranking(io.datainf.proto.v1.Ranking proto) {
        this.proto = proto;
    }

    io.datainf.proto.v1.Ranking proto() {
        return proto;
    }
}
