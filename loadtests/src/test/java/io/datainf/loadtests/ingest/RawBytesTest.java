package io.datainf.loadtests.ingest;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class RawBytesTest {

    @Test
    void message_isCountedWhatItsLength() {
        for (int length : new int[] {0, 1, 65_536, 200_001}) {
            assertThat(RawBytes.TAKEN.parseRequest(RawBytes.SENT.streamRequest(new byte[length])))
                    .isEqualTo(length);
        }
    }

    @Test
    void answer_isDecimal() {
        assertThat(RawBytes.SENT.parseResponse(RawBytes.TAKEN.streamResponse(12_345_678_901L)))
                .isEqualTo(12_345_678_901L);
    }
}
