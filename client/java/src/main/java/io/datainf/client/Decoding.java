package io.datainf.client;

import io.datainf.client.InfluenceAnswer.PointScores;
import io.datainf.client.InfluenceAnswer.Snapshot;
import io.datainf.proto.v1.BlockDampings;
import io.datainf.proto.v1.ScoreChunk;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.time.Duration;
import java.util.List;

/** Pieces that several answers have in common. */
final class Decoding {

    private Decoding() {}

    static Duration duration(com.google.protobuf.Duration duration) {
        return Duration.ofSeconds(duration.getSeconds(), duration.getNanos());
    }

    /** What one damping of an answer was computed from. */
    static Snapshot snapshot(io.datainf.proto.v1.Snapshot snapshot, int damping) {
        BlockDampings dampings = damping < snapshot.getDampingsCount()
                ? snapshot.getDampings(damping)
                : BlockDampings.getDefaultInstance();
        return new Snapshot(
                snapshot.getSampleCount(),
                snapshot.getRevision(),
                dampings.getValuesList(),
                dampings.getSkippedBlocksList(),
                snapshot.getEngine());
    }

    /** Joins the chunks of one series. */
    static PointScores join(List<ScoreChunk> parts) {
        int bytes = parts.stream().mapToInt(part -> part.getScores().size()).sum();
        ByteBuffer ids = ByteBuffer.allocate(bytes).order(ByteOrder.LITTLE_ENDIAN);
        ByteBuffer scores = ByteBuffer.allocate(bytes).order(ByteOrder.LITTLE_ENDIAN);
        for (ScoreChunk part : parts) {
            part.getSampleIds().copyTo(ids);
            part.getScores().copyTo(scores);
        }
        long[] idArray = new long[ids.flip().remaining() / Long.BYTES];
        ids.asLongBuffer().get(idArray);
        double[] scoreArray = new double[scores.flip().remaining() / Double.BYTES];
        scores.asDoubleBuffer().get(scoreArray);
        return new PointScores(idArray, scoreArray);
    }
}
