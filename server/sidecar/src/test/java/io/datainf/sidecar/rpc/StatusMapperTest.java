package io.datainf.sidecar.rpc;

import static io.datainf.sidecar.rpc.StatusAssert.assertStatus;

import com.google.rpc.Code;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.FileSystemException;
import java.util.concurrent.CancellationException;
import org.junit.jupiter.api.Test;

/** What the wire tests cannot bring about. */
class StatusMapperTest {

    @Test
    void toStatus_diskFull_mayBeRetriedAndHidesThePath() {
        IOException full = new FileSystemException("/secret/place", null, "No space left on device");
        assertStatus(StatusMapper.toStatus(full))
                .is(Code.RESOURCE_EXHAUSTED, "DISK_FULL")
                .saysNot("secret")
                .mayBeRetried();
        assertStatus(StatusMapper.toStatus(new UncheckedIOException(new IOException("batches failed", full))))
                .is(Code.RESOURCE_EXHAUSTED, "DISK_FULL")
                .mayBeRetried();
    }

    @Test
    void toStatus_failedWrite_mayBeRetriedAndHidesTheCause() {
        assertStatus(StatusMapper.toStatus(new IOException("/secret/place: Input/output error")))
                .is(Code.UNAVAILABLE, "STORE_FAILED")
                .saysNot("secret")
                .says("server's log")
                .mayBeRetried();
    }

    @Test
    void toStatus_storeThatTakesNothingMore_isInternalAndHidesTheCause() {
        assertStatus(StatusMapper.toStatus(new UncheckedIOException(new IOException("/secret/place: closed"))))
                .is(Code.INTERNAL, "STORE_FAILED")
                .saysNot("secret")
                .says("server's log")
                .mayNotBeRetried();
    }

    @Test
    void toStatus_bugs_areInternalAndHideTheCause() {
        assertStatus(StatusMapper.toStatus(new NullPointerException("secret")))
                .is(Code.INTERNAL, "INTERNAL")
                .saysNot("secret")
                .mayNotBeRetried();
        assertStatus(StatusMapper.toStatus(new AssertionError("secret")))
                .is(Code.INTERNAL, "INTERNAL")
                .saysNot("secret");
    }

    @Test
    void toStatus_noMemory_mayBeRetried() {
        assertStatus(StatusMapper.toStatus(new OutOfMemoryError("malloc")))
                .is(Code.RESOURCE_EXHAUSTED, "MEMORY_FULL")
                .mayBeRetried();
    }

    @Test
    void toStatus_cancelled_isCancelled() {
        assertStatus(StatusMapper.toStatus(new CancellationException("the query was cancelled")))
                .is(Code.CANCELLED, "CANCELLED")
                .says("cancelled");
    }
}
